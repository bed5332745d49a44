// The certificates that edges show to their clients: read from their files, and read again when those change; or issued by
// the authority of the mesh, and renewed in time, their keys in memory only.
// It must not know views or who is to have them, nor where files may lie; a reader is handed in. Invariants: what is in use
// was whole and fitted together, and stays until something better was read; nothing of a key is in a Problem or a log.
import type { Authority } from '../ca/contract.ts';
import type { Certificate } from '../model/certificate.ts';
import { createProblem, type Problem } from '../model/problem.ts';
import type { World } from '../model/world.ts';
import type { Resource } from '../resources/resource.ts';
import type { SecretEncoder } from '../translate/secrets.ts';
import type { Clock } from '../util/clock.ts';
import { AppError, errorText } from '../util/errors.ts';
import { contentHash } from '../util/hash.ts';
import type { Logger } from '../util/log.ts';
import type { Metrics } from '../util/metrics.ts';
import { contentOf, type EdgeContent } from './edge-content.ts';
import { checkNames } from './edge-names.ts';

/** Reads files on the machine of the control plane. */
export interface CertificateFiles {
  /** Changes with every write and every rename over a file; of one that is not there, too. Never rejects. */
  fingerprint(paths: readonly string[]): Promise<string>;
  /** PEM. Rejects with a text for people that names the file. */
  read(path: string): Promise<string>;
}

export interface EdgeCertificatesDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly files: CertificateFiles;
  readonly authority: Pick<Authority, 'issueEdge' | 'roots'>;
  readonly encode: Pick<SecretEncoder, 'edge'>;
}

export interface EdgeCertificates {
  /** Those of the World, from now on. Their files are looked at soon, and again every `everyMs`. */
  follow(world: Pick<World, 'certificates' | 'gateways'>): void;
  /**
   * By its name in the World; undefined until it was looked at. Of one that could not be had then, a certificate for no host at
   * all: an Envoy that waited for it would keep everything else of its port closed.
   */
  secret(certificate: string): Resource | undefined;
  /** Told, never within `follow`, which secrets are new, and that problems may be others. */
  onChange(listener: (certificates: readonly string[]) => void): () => void;
  /** Files that cannot be used, and certificates that are about to end. */
  problems(): readonly Problem[];
  /** Looks at the files until aborted. */
  run(signal: AbortSignal): Promise<void>;
}

interface Kept {
  readonly name: string;
  readonly certificate: Certificate;
  /** Of the files as they were read last, well or not. */
  seen: string;
  good: { readonly content: EdgeContent; readonly secret: Resource } | undefined;
  /** What is shown meanwhile, once there is a fault. */
  stead: Resource | undefined;
  /** Of the wall clock, and the root it was signed by: when a certificate of the mesh is issued anew. */
  renewAtMs: number;
  root: string | undefined;
  /** What was wrong at the last look. */
  fault: string | undefined;
  code: 'CH1246' | 'CH1266' | 'CH1267';
  /** What is told to be wrong. */
  told: string | undefined;
}

/** RFC 6761: nobody has a host below it. */
const noHost = 'not-there.invalid';
/** Between attempts at what could not be issued and is not needed at once. */
const againMs = 30_000;
const dayMs = 86_400_000;
/** A certificate is renewed before this share of its life is left, and before so many days. */
const lateShare = 0.25;
const lateMs = 14 * dayMs;

export function createEdgeCertificates(deps: EdgeCertificatesDeps, everyMs: number): EdgeCertificates {
  const { clock, files, encode, authority } = deps;
  const log = deps.log.child('edge');
  const expiry = deps.metrics.gauge(
    'edge_certificates_expiry_seconds',
    'When the first of the certificates that edges show ends, in seconds since the Unix epoch',
  );
  const listeners = new Set<(certificates: readonly string[]) => void>();
  let followed: World['certificates'] | undefined;
  let gateways: World['gateways'] = new Map();
  let kept = new Map<string, Kept>();
  let looking: Promise<void> | undefined;
  let again = false;

  function measure(): void {
    const ends = [...kept.values()].flatMap(({ good }) => (good === undefined ? [] : [good.content.notAfterMs]));
    if (ends.length > 0) expiry.set({}, Math.min(...ends) / 1000);
  }

  async function readFiles(
    one: Kept,
    { cert, key }: { readonly cert: string; readonly key: string },
  ): Promise<boolean> {
    const now = await files.fingerprint([cert, key]);
    // Where something was wrong they are read again in any case: a folder may have become readable.
    if (now === one.seen && one.fault === undefined) return false;
    one.seen = now;
    try {
      const content = contentOf({ cert, key }, { cert: await files.read(cert), key: await files.read(key) });
      const same = one.good?.content.fingerprint === content.fingerprint;
      const was = one.told;
      one.fault = undefined;
      one.told = undefined;
      if (same) return was !== undefined;
      const { namespace, name } = one.certificate;
      one.good = { content, secret: encode.edge({ namespace, name }, content) };
      log.info('certificate of an edge read', { certificate: one.name, file: cert, subject: content.subject });
      return true;
    } catch (error) {
      // Its code is that of the Problem.
      const fault = errorText(error).replace(/^\[CH\d+\] /, '');
      // Certificate and key are replaced one after the other: what does not fit at a second look is a mistake.
      const sure = one.good === undefined || fault === one.fault;
      one.fault = fault;
      if (!sure || one.told === fault) return false;
      one.told = fault;
      return true;
    }
  }

  async function issue(one: Kept, hosts: readonly string[]): Promise<boolean> {
    let signer: string | undefined;
    try {
      signer = authority.roots().roots[0]?.keyId;
      if (clock.wall() < one.renewAtMs && (one.good === undefined || one.root === signer)) return false;
      const { chain, key, notBeforeMs, notAfterMs, renewAtMs, root } = await authority.issueEdge(hosts);
      const content: EdgeContent = {
        ...{ chain, key, notBeforeMs, notAfterMs, names: hosts, subject: hosts.join(', ') },
        fingerprint: contentHash(Buffer.concat(chain)),
      };
      const { namespace, name } = one.certificate;
      one.good = { content, secret: encode.edge({ namespace, name }, content) };
      one.renewAtMs = renewAtMs;
      one.root = root;
      one.fault = undefined;
      one.told = undefined;
      log.info('certificate of an edge issued', { certificate: one.name, hosts });
      return true;
    } catch (error) {
      // A name that is refused is refused for ever; what cannot be had now is asked for again.
      one.code = error instanceof AppError && error.code === 'CH1266' ? 'CH1266' : 'CH1267';
      one.root = signer;
      one.renewAtMs = clock.wall() + (one.good === undefined ? everyMs : againMs);
      one.fault = errorText(error).replace(/^\[CH\d+\] /, '');
      if (one.told === one.fault) return false;
      one.told = one.fault;
      return true;
    }
  }

  /** True if there is something to show in its stead that was not there before. */
  async function replaced(one: Kept): Promise<boolean> {
    if (one.good !== undefined || one.fault === undefined || one.stead !== undefined) return false;
    try {
      one.stead = encode.edge(one.certificate, await authority.issueEdge([noHost]));
      return true;
    } catch {
      return false;
    }
  }

  /** One look at all of them; what is asked for meanwhile is another one after it. */
  function look(): Promise<void> {
    again = true;
    looking ??= (async () => {
      while (again) {
        again = false;
        const changed: string[] = [];
        for (const one of kept.values()) {
          const { from } = one.certificate;
          const other = await (from.kind === 'files' ? readFiles(one, from) : issue(one, from.hosts));
          const stands = await replaced(one);
          if ((other || stands) && kept.get(one.name) === one) changed.push(one.name);
        }
        measure();
        if (changed.length > 0) for (const listener of listeners) listener(changed);
      }
    })()
      .catch((error: unknown) => log.error('certificates of edges could not be looked at', { err: error }))
      .finally(() => {
        looking = undefined;
      });
    return looking;
  }

  return {
    follow(world) {
      const { certificates } = world;
      gateways = world.gateways;
      if (certificates === followed) return;
      followed = certificates;
      kept = new Map(
        [...certificates].map(([name, certificate]) => {
          const old = kept.get(name);
          if (old?.certificate === certificate) return [name, old];
          // Other files: what is in use stays until they were read.
          const unseen = { seen: '', renewAtMs: 0, root: undefined, fault: undefined, told: undefined } as const;
          const { good, stead } = old ?? { good: undefined, stead: undefined };
          return [name, { ...{ name, certificate, good, stead, code: 'CH1246' }, ...unseen }];
        }),
      );
      void look();
    },
    secret(certificate) {
      const one = kept.get(certificate);
      return one?.good?.secret ?? one?.stead;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    problems: () => [
      ...[...kept.values()].flatMap((one) => problemsOf(one, clock.wall())),
      ...checkNames(gateways, (name) => kept.get(name)?.good?.content.names),
    ],
    async run(signal) {
      while (!signal.aborted) {
        await look();
        await clock.sleep(everyMs, signal);
      }
    },
  };
}

function problemsOf({ certificate, good, told, code }: Kept, nowMs: number): readonly Problem[] {
  const problems: Problem[] = [];
  const at = certificate.provenance;
  if (told !== undefined) {
    const meanwhile =
      good === undefined ? 'clients are shown a certificate that they refuse' : 'the former certificate is shown';
    problems.push(createProblem(code, at, `${told}: ${meanwhile}`));
  }
  if (good === undefined) return problems;
  const { notBeforeMs, notAfterMs } = good.content;
  const late = notAfterMs - Math.min(lateMs, lateShare * (notAfterMs - notBeforeMs));
  const end = new Date(notAfterMs).toISOString();
  if (nowMs >= notAfterMs) problems.push(createProblem('CH1240', at, `the certificate ended at ${end}`));
  else if (nowMs >= late)
    problems.push(createProblem('CH1240', at, `the certificate ends at ${end}`, { severity: 'warning' }));
  return problems;
}
