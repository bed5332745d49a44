// The root of somebody else: an authority with its key and the roots beside it in files, as cert-manager, SPIRE or a person puts
// them there and replaces them. Our intermediates are signed with it.
// It must not know who writes them. Invariants: it never writes; what cannot be used whole leaves the last good in use, and
// says so; the order in which roots are told and sign is `issuer-succession.ts`.
import type { Clock } from '../util/clock.ts';
import { AppError, errorText } from '../util/errors.ts';
import { fingerprint } from '../util/file-changes.ts';
import { guardedRead } from '../util/guarded-read.ts';
import type { Logger } from '../util/log.ts';
import type { Metrics } from '../util/metrics.ts';
import { readCertificate } from './certificate.ts';
import type { RootProvider, Roots } from './contract.ts';
import { type Given, type GivenTexts, readGiven } from './issuer-authority.ts';
import { beginSuccession, type Succession, type SuccessionLimits, succeed } from './issuer-succession.ts';
import { certificateText } from './root.ts';
import { randomSerial, signIntermediate } from './x509.ts';

export interface IssuerFilesDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Of the running process; undefined where files have no owner or mode (Windows): neither is checked then. */
  readonly uid: number | undefined;
  /** Whether every proxy, of every replica, said that it trusts these roots; asked once at every look. */
  readonly confirmed: (roots: Roots) => Promise<boolean>;
}

export interface IssuerFilesOptions extends SuccessionLimits {
  readonly trustDomain: string;
  /** PEM: the authority, then what stands between it and its root. */
  readonly certificate: string;
  readonly key: string;
  readonly roots: string;
}

export interface IssuerFiles extends RootProvider {
  reload(): Promise<Roots>;
}

const bounds = { code: 'CH1881', maxBytes: 1_048_576 } as const;
const backdateMs = 3_600_000;

export function createIssuerFiles(deps: IssuerFilesDeps, options: IssuerFilesOptions): IssuerFiles {
  const { clock, confirmed } = deps;
  const log = deps.log.child('ca');
  const { trustDomain, certificate, key, roots } = options;
  const paths = { certificate, key, roots };
  const failures = deps.metrics.counter('ca_provider_failures_total', 'Times the provider of the roots failed');
  let state: Succession | undefined;
  let generation = 0;
  /** What is wrong with the files now, so that it is said once. */
  let wrong = '';

  async function readNow(): Promise<Given> {
    const all = [certificate, key, roots];
    const before = await fingerprint(all);
    const texts: GivenTexts = {
      certificate: await guardedRead(certificate, bounds),
      key: await guardedRead(key, { ...bounds, owner: deps.uid }),
      roots: await guardedRead(roots, bounds),
    };
    try {
      if ((await fingerprint(all)) !== before)
        throw new AppError('CH1881', `${certificate} or a file beside it changes right now`, { retryable: true });
      return readGiven(texts, { trustDomain, paths, nowMs: clock.wall() });
    } finally {
      texts.key.fill(0);
    }
  }

  function rootsOf(): Roots {
    if (state === undefined) throw new Error('open() has not resolved');
    return { generation, roots: state.roots };
  }

  async function isConfirmed(): Promise<boolean> {
    try {
      return await confirmed(rootsOf());
    } catch (error) {
      log.warn('whether proxies trust the roots cannot be told', { error: errorText(error) });
      return false;
    }
  }

  function follow(before: Succession, given: Given, isTold: boolean): void {
    const next = succeed(before, given, { nowMs: clock.wall(), confirmed: isTold }, options);
    if (ids(next) !== ids(before)) generation++;
    const about = { roots: next.roots.map(({ keyId }) => keyId), signs: next.signing.root };
    if (next.signing.root !== before.signing.root) log.info('the authority that was given signs from now on', about);
    else if (next.next !== undefined && next.next.root !== before.next?.root)
      log.info('an authority of another root was given; it signs when proxies trust its root', about);
    state = next;
  }

  return {
    kind: 'issuer-files',
    async open() {
      const given = await readNow();
      if (state === undefined) {
        state = beginSuccession(given);
        generation = 1;
      }
      return rootsOf();
    },
    async reload() {
      if (state === undefined) throw new Error('open() has not resolved');
      const isTold = await isConfirmed();
      try {
        follow(state, await readNow(), isTold);
        wrong = '';
      } catch (error) {
        failures.add({});
        const text = errorText(error);
        if (text !== wrong)
          log.error('the given authority cannot be used; the one that was there signs', { error: text });
        wrong = text;
      }
      return rootsOf();
    },
    async signIntermediate({ publicKey, lifeMs }) {
      if (state === undefined) throw new Error('open() has not resolved');
      const { issuer, chain } = state.signing;
      const now = clock.wall();
      const validity = { notBeforeMs: now - backdateMs, notAfterMs: now + lifeMs };
      const made = signIntermediate(issuer, { publicKey, trustDomain, validity, serial: randomSerial() });
      return { certificate: made, chain, notAfterMs: readCertificate(made).notAfterMs };
    },
  };
}

function ids({ roots }: Succession): string {
  return roots.map(({ certificate }) => certificateText(certificate)).join();
}
