// The certificates that edges show to their clients: read from their files, and read again when those change.
// It must not know views or who is to have them, nor where files may lie; a reader is handed in. Invariants: what is in use
// was whole and fitted together, and stays until something better was read; nothing of a key is in a Problem or a log.
import type { Certificate } from '../model/certificate.ts';
import { createProblem, type Problem } from '../model/problem.ts';
import type { World } from '../model/world.ts';
import type { Resource } from '../resources/resource.ts';
import type { SecretEncoder } from '../translate/secrets.ts';
import type { Clock } from '../util/clock.ts';
import { errorText } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import type { Metrics } from '../util/metrics.ts';
import { contentOf, type EdgeContent } from './edge-content.ts';

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
  readonly encode: Pick<SecretEncoder, 'edge'>;
}

export interface EdgeCertificates {
  /** Those of the World, from now on. Their files are looked at soon, and again every `everyMs`. */
  follow(certificates: World['certificates']): void;
  /** By its name in the World; undefined until it was read once. */
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
  /** What was wrong at the last look. */
  fault: string | undefined;
  /** What is told to be wrong. */
  told: string | undefined;
}

const dayMs = 86_400_000;
/** A certificate is renewed before this share of its life is left, and before so many days. */
const lateShare = 0.25;
const lateMs = 14 * dayMs;

export function createEdgeCertificates(deps: EdgeCertificatesDeps, everyMs: number): EdgeCertificates {
  const { clock, files, encode } = deps;
  const log = deps.log.child('edge');
  const expiry = deps.metrics.gauge(
    'edge_certificates_expiry_seconds',
    'When the first of the certificates that edges show ends, in seconds since the Unix epoch',
  );
  const listeners = new Set<(certificates: readonly string[]) => void>();
  let followed: World['certificates'] | undefined;
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

  /** One look at all of them; what is asked for meanwhile is another one after it. */
  function look(): Promise<void> {
    again = true;
    looking ??= (async () => {
      while (again) {
        again = false;
        const changed: string[] = [];
        for (const one of kept.values()) {
          const { from } = one.certificate;
          if (from.kind === 'files' && (await readFiles(one, from)) && kept.get(one.name) === one)
            changed.push(one.name);
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
    follow(certificates) {
      if (certificates === followed) return;
      followed = certificates;
      kept = new Map(
        [...certificates].map(([name, certificate]) => {
          const old = kept.get(name);
          if (old?.certificate === certificate) return [name, old];
          // Other files: what is in use stays until they were read.
          return [name, { name, certificate, seen: '', good: old?.good, fault: undefined, told: undefined }];
        }),
      );
      void look();
    },
    secret: (certificate) => kept.get(certificate)?.good?.secret,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    problems: () => [...kept.values()].flatMap((one) => problemsOf(one, clock.wall())),
    async run(signal) {
      while (!signal.aborted) {
        await look();
        await clock.sleep(everyMs, signal);
      }
    },
  };
}

function problemsOf({ certificate, good, told }: Kept, nowMs: number): readonly Problem[] {
  const problems: Problem[] = [];
  const at = certificate.provenance;
  if (told !== undefined) {
    const meanwhile = good === undefined ? 'nothing can be shown' : 'the former certificate is shown';
    problems.push(createProblem('CH1246', at, `${told}: ${meanwhile}`));
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
