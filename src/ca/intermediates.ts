// The roots and this replica's intermediate, kept current: loaded, renewed at half of its life, asked for again when the
// provider fails, replaced at once when another root is to sign.
// It must not know leaves. Invariants: the intermediate's key never leaves memory, and each has its own; what is there stays
// in use until its successor was checked; roots that are there are never given up for an empty answer.
import { sign } from 'node:crypto';
import { createBackoff } from '../util/backoff.ts';
import type { Clock } from '../util/clock.ts';
import { AppError, errorText } from '../util/errors.ts';
import { contentHash } from '../util/hash.ts';
import type { Logger } from '../util/log.ts';
import type { Metrics } from '../util/metrics.ts';
import type { Random } from '../util/random.ts';
import { createTurns } from '../util/turns.ts';
import type { RootProvider, Roots } from './contract.ts';
import { type AcceptedIntermediate, acceptIntermediate } from './intermediate.ts';
import { renewIssuerAt } from './renewal.ts';
import { generateKeyPair, type Issuer } from './x509.ts';

export interface Intermediate extends AcceptedIntermediate {
  /** The same object as long as this intermediate is used. */
  readonly issuer: Issuer;
}

export interface Intermediates {
  /** Throws CH1815 before `open` has resolved, as `roots` does. */
  current(): Intermediate;
  roots(): Roots;
  /** Told after the roots changed, or another of them signs. */
  onRoots(listener: (roots: Roots) => void): () => void;
  open(): Promise<void>;
  /** The roots of now, and an intermediate of the first; rejects where that cannot be had. */
  refresh(): Promise<void>;
  /** Returns when aborted. */
  keep(signal: AbortSignal): Promise<void>;
}

export interface IntermediatesDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly provider: RootProvider;
  /** By key identifier, hex: none of these signs. */
  readonly isTainted?: (keyId: string) => boolean;
}

const openAttempts = 5;
/** The provider is asked for the roots, and the wall clock is looked at, so often. */
const lookEveryMs = 60_000;

export function createIntermediates(deps: IntermediatesDeps, { lifeMs }: { readonly lifeMs: number }): Intermediates {
  const { clock, log, provider } = deps;
  const listeners = new Set<(roots: Roots) => void>();
  // Scaled, for lives may be seconds in a test.
  const backoff = createBackoff(deps.random, Math.min(1_000, lifeMs / 50), Math.min(60_000, lifeMs / 20));
  const lookMs = Math.min(lookEveryMs, lifeMs / 10);
  const endsAt = deps.metrics.gauge('ca_intermediate_not_after_seconds', 'When the intermediate ends, in Unix time');
  const failures = deps.metrics.counter('ca_provider_failures_total', 'Times the provider of the roots failed');
  let roots: Roots | undefined;
  let current: Intermediate | undefined;
  /** Wall clock. */
  let renewAtMs = 0;

  function notOpen(): AppError {
    return new AppError('CH1815', 'the authority has not been opened', { retryable: true });
  }
  function rootsOf(): Roots {
    if (roots === undefined) throw notOpen();
    return roots;
  }
  function tell(): void {
    for (const listener of listeners) listener(rootsOf());
  }

  async function renew(): Promise<void> {
    const pair = generateKeyPair();
    const prove = (bytes: Uint8Array): Uint8Array => sign('sha256', bytes, pair.privateKey);
    const given = await provider.signIntermediate({ publicKey: pair.publicKey, lifeMs, prove });
    const nowMs = clock.wall();
    const accepted = acceptIntermediate(given, { publicKey: pair.publicKey, roots: rootsOf(), nowMs });
    current = { ...accepted, issuer: { certificate: given.certificate, key: pair.privateKey } };
    // Near the end of its root each half is shorter than the last: not more often than there is something to gain.
    renewAtMs = Math.max(renewIssuerAt({ fromMs: nowMs, untilMs: accepted.notAfterMs }), nowMs + lookMs / 10);
    backoff.reset();
    endsAt.set({}, accepted.notAfterMs / 1000);
    const about = {
      intermediate: accepted.keyId,
      root: accepted.root,
      notAfter: new Date(accepted.notAfterMs).toISOString(),
    };
    // A tenth: providers round and backdate.
    if (accepted.notAfterMs < nowMs + 0.9 * lifeMs)
      log.warn('the intermediate ends sooner than was asked for', { ...about, askedSeconds: lifeMs / 1000 });
    else log.info('a new intermediate signs', about);
  }

  const isTainted = (): boolean => current !== undefined && deps.isTainted?.(current.keyId) === true;
  // At once: whoever has its key signs what it likes.
  const isDue = (): boolean => clock.wall() >= renewAtMs || isTainted();

  /** Whether the roots are others than before. */
  async function look(): Promise<boolean> {
    const found = await provider.reload?.();
    if (found === undefined || sameRoots(found, rootsOf())) return false;
    roots = nonEmpty(found);
    // At once, but once: a provider may still sign with the one before.
    if (current?.root !== found.roots[0]?.keyId) renewAtMs = 0;
    return true;
  }

  const inTurn = createTurns();
  /** Roots that change are told even if no intermediate can be had of the new one. */
  async function catchUp(): Promise<void> {
    const before = current;
    const wasTainted = isTainted();
    let changed = false;
    try {
      changed = await look();
      if (isDue()) await renew();
    } finally {
      if (changed || current?.root !== before?.root || (wasTainted && current !== before)) tell();
    }
  }

  async function openOnce(): Promise<void> {
    roots = nonEmpty(await provider.open());
    await renew();
  }

  return {
    current() {
      if (current === undefined) throw notOpen();
      return current;
    },
    roots: () => {
      // The first intermediate may still be on its way.
      if (current === undefined) throw notOpen();
      return rootsOf();
    },
    onRoots(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async open() {
      for (let attempt = 1; current === undefined; attempt++) {
        try {
          await openOnce();
        } catch (error) {
          const again = error instanceof AppError && error.retryable && attempt < openAttempts;
          if (!again) throw error;
          failures.add({});
          const waitMs = backoff.next();
          log.warn('the authority could not be opened', { error: errorText(error), againInMs: Math.round(waitMs) });
          await clock.sleep(waitMs);
        }
      }
    },
    async refresh() {
      const signsWithFirst = (): boolean => current?.root === rootsOf().roots[0]?.keyId;
      await inTurn(async () => {
        // Whoever asks again means it: unlike `keep`, which would wait for half of a life.
        if (current !== undefined && !signsWithFirst()) renewAtMs = 0;
        await catchUp();
      });
      if (!signsWithFirst())
        throw new AppError('CH1816', 'the provider signs with another root than the first', { retryable: true });
    },
    async keep(signal) {
      let waitMs = 0;
      while (!signal.aborted) {
        const dueMs = isDue() ? waitMs : Math.min(lookMs, renewAtMs - clock.wall());
        await clock.sleep(Math.max(waitMs, dueMs), signal);
        if (signal.aborted) return;
        try {
          await unlessAborted(signal, inTurn(catchUp));
          waitMs = 0;
        } catch (error) {
          failures.add({});
          waitMs = backoff.next();
          log.warn('the provider of the roots failed; the intermediate that is there signs', {
            error: errorText(error),
            ends: current === undefined ? undefined : new Date(current.notAfterMs).toISOString(),
            againInMs: Math.round(waitMs),
          });
        }
      }
    },
  };
}

function nonEmpty(roots: Roots): Roots {
  if (roots.roots.length === 0) throw new AppError('CH1816', 'the provider has no roots', { retryable: true });
  return roots;
}

function sameRoots(a: Roots, b: Roots): boolean {
  // Bytes, not keys: a root may be renewed with the key it has.
  const text = ({ roots }: Roots): string => roots.map(({ certificate }) => contentHash(certificate)).join(' ');
  return text(a) === text(b);
}

/** A provider that hangs does not keep the program from stopping. */
function unlessAborted(signal: AbortSignal, work: Promise<void>): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = (): void => resolve();
  signal.addEventListener('abort', done, { once: true });
  return Promise.race([work, promise]).finally(() => signal.removeEventListener('abort', done));
}
