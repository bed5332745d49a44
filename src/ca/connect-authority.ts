// Certificates of proxies from Consul's Connect: leaves, with their keys, by the agent, and its roots, followed as they change.
// It must not know who is entitled to a certificate. Invariants: roots that are there are never given up for an answer that is
// doubtful or of another trust domain; nothing of a root is shown before proxies were told of it a while ago.
// Source: Consul API, "Connect" below `agent`; blocking queries.
import { connectPlace, identityPrefix } from '../model/spiffe.ts';
import { createBackoff } from '../util/backoff.ts';
import type { Clock } from '../util/clock.ts';
import { type Answer, stepIndex } from '../util/consul/answer.ts';
import type { ReadOptions } from '../util/consul/client.ts';
import { AppError, errorText } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import type { Metrics } from '../util/metrics.ts';
import type { Random } from '../util/random.ts';
import { readConnectLeaf } from './connect-leaf.ts';
import { createConnectLine } from './connect-line.ts';
import { type ConnectRoots, readConnectRoots } from './connect-roots.ts';
import type { Authority, Roots } from './contract.ts';
import { certificateText } from './root.ts';

export interface ConnectAuthority extends Pick<Authority, 'issue' | 'roots' | 'onRoots'> {
  /** What all names begin with, for `trustDomain` of the mesh. Throws before `open` has resolved. */
  place(): string;
  /** Asks for the roots. Rejects with CH1885 to CH1887. */
  open(): Promise<void>;
  /** Follows the roots until aborted. */
  run(signal: AbortSignal): Promise<void>;
}

export interface ConnectAuthorityDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly consul: { read(options: ReadOptions, signal: AbortSignal): Promise<Answer>; close(): void };
}

export interface ConnectAuthorityOptions {
  readonly datacenter: string;
  /** A root is told for so long before a leaf of it is shown. 10 s: proxies that are connected have it long before. */
  readonly holdMs?: number;
}

interface Known extends ConnectRoots {
  readonly place: string;
  readonly generation: number;
  readonly index: number | undefined;
  /** By the bytes of each root as base64: since when it is told. */
  readonly toldMs: ReadonlyMap<string, number>;
}

/** Leaves asked for at a time: one more request follows the roots. */
const atOnce = 6;
const waitMs = 300_000;
const openAttempts = 5;

export function createConnectAuthority(
  deps: ConnectAuthorityDeps,
  { datacenter, holdMs = 10_000 }: ConnectAuthorityOptions,
): ConnectAuthority {
  const { clock, consul, metrics } = deps;
  const log = deps.log.child('ca');
  const listeners = new Set<(roots: Roots) => void>();
  const failures = metrics.counter('ca_provider_failures_total', 'Times the provider of the roots failed');
  const issued = metrics.counter('ca_issued_total', 'Certificates signed', ['kind']);
  const never = new AbortController().signal;
  const inLine = createConnectLine(atOnce);
  let known: Known | undefined;

  function knownNow(): Known {
    if (known === undefined) throw new AppError('CH1815', 'the authority has not been opened', { retryable: true });
    return known;
  }
  const rootsNow = (): Roots => ({ generation: knownNow().generation, roots: knownNow().roots });

  async function ask(
    what: string,
    options: Pick<ReadOptions, 'path' | 'params' | 'blocking'>,
    signal = never,
  ): Promise<Answer> {
    try {
      return await consul.read({ ...options, what, consistency: 'default' }, signal);
    } catch (error) {
      if (error instanceof AppError && error.code === 'CH1310')
        throw new AppError('CH1886', `Consul refused ${what}`, { cause: error });
      throw new AppError('CH1885', `Consul did not give ${what}`, { cause: error, retryable: true });
    }
  }

  /** Whether they changed. */
  function take({ body, index: got }: Answer): boolean {
    const found = readConnectRoots(body, clock.wall());
    if (known !== undefined && found.trustDomain !== known.trustDomain)
      throw new AppError(
        'CH1887',
        `Consul is of another trust domain by now, ${found.trustDomain} instead of ${known.trustDomain}: start again to go over to it`,
      );
    const place = connectPlace(found.trustDomain, datacenter);
    if (place === undefined)
      throw new AppError(
        'CH1887',
        `"${found.trustDomain}" is no trust domain of Consul, or "${datacenter}" no datacenter`,
      );
    const before = known;
    const names = found.roots.map(nameOf);
    const changed = names.join() !== before?.roots.map(nameOf).join();
    const sinceMs = before === undefined ? Number.NEGATIVE_INFINITY : clock.now();
    known = {
      ...{ ...found, place, index: stepIndex(before?.index, got).next },
      generation: (before?.generation ?? 0) + (changed ? 1 : 0),
      toldMs: new Map(names.map((name) => [name, before?.toldMs.get(name) ?? sinceMs])),
    };
    return changed;
  }

  async function follow(blocking?: ReadOptions['blocking'], signal = never): Promise<void> {
    const path = '/agent/connect/ca/roots';
    const answer = await ask('the roots of Connect', { path, ...(blocking === undefined ? {} : { blocking }) }, signal);
    const isFirst = known === undefined;
    if (!take(answer) || isFirst) return;
    log.info('the roots of Connect changed', { roots: knownNow().roots.map(({ keyId }) => keyId) });
    for (const listener of listeners) listener(rootsNow());
  }

  /** Until what bears this root may be shown. */
  async function hold(keyId: string): Promise<void> {
    const { roots, toldMs } = knownNow();
    const told = roots.filter((root) => root.keyId === keyId).map((root) => toldMs.get(nameOf(root)) ?? clock.now());
    const leftMs = Math.min(...told) + holdMs - clock.now();
    if (leftMs > 0) await clock.sleep(leftMs);
  }

  async function issue({ spiffeId, seed }: Parameters<Authority['issue']>[0]) {
    const prefix = `${identityPrefix(knownNow().place)}svc/`;
    const name = spiffeId.slice(prefix.length);
    if (!spiffeId.startsWith(prefix) || !/^[A-Za-z0-9._-]+$/.test(name))
      throw new AppError('CH1809', `"${spiffeId.slice(0, 300)}" is no name that Connect gives`);
    const { body } = await ask(`a certificate for "${name}"`, {
      path: '/agent/connect/ca/leaf/{name}',
      params: { name },
    });
    const read = () => readConnectLeaf(body, { spiffeId, seed, roots: knownNow().roots, nowMs: clock.wall() });
    let leaf = read();
    if (leaf === 'strange') {
      // A root that has not been heard of yet.
      await follow();
      leaf = read();
    }
    if (leaf === 'strange')
      throw new AppError('CH1887', `the certificate that Consul gave for ${spiffeId} chains to none of its roots`, {
        retryable: true,
      });
    return leaf;
  }

  return {
    roots: rootsNow,
    place: () => knownNow().place,
    onRoots(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async open() {
      const backoff = createBackoff(deps.random, 1_000, 10_000);
      for (let attempt = 1; known === undefined; attempt++) {
        try {
          await follow();
        } catch (error) {
          if (!(error instanceof AppError && error.retryable) || attempt === openAttempts) throw error;
          const againMs = backoff.next();
          log.warn('Connect cannot be used yet', { error: errorText(error), againInMs: Math.round(againMs) });
          await clock.sleep(againMs);
        }
      }
    },
    async issue(request) {
      try {
        const leaf = await inLine(request.urgency, () => issue(request));
        await hold(leaf.root);
        issued.add({ kind: 'leaf' });
        return leaf;
      } catch (error) {
        failures.add({});
        throw error;
      }
    },
    async run(signal) {
      const backoff = createBackoff(deps.random, 1_000, 60_000);
      while (!signal.aborted) {
        try {
          // Without an index an answer comes at once; then not again and again.
          const { index } = knownNow();
          if (index === undefined) await clock.sleep(10_000, signal);
          await follow(index === undefined ? undefined : { index, waitMs }, signal);
          backoff.reset();
        } catch (error) {
          if (signal.aborted) break;
          failures.add({});
          const againMs = backoff.next();
          log.warn('the roots of Connect cannot be followed; those that are there stay', {
            ...{ error: errorText(error), againInMs: Math.round(againMs) },
          });
          await clock.sleep(againMs, signal);
          // Consul may have lost its memory, and count from anew.
          if (known !== undefined) known = { ...known, index: undefined };
        }
      }
      consul.close();
    },
  };
}

function nameOf({ certificate }: { readonly certificate: Uint8Array }): string {
  return certificateText(certificate);
}
