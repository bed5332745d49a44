// The authority of this replica: leaves signed in threads of their own, with an intermediate whose key is in memory only.
// It must not know who is entitled to a certificate, nor where roots are kept.
// Invariants: a leaf's chain ends at a root that `roots` has; no leaf outlives what it chains to; an intermediate that could
// not be renewed shortens leaves before it stops them, and says so.
import { availableParallelism } from 'node:os';
import type { Clock } from '../util/clock.ts';
import { AppError } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import { type Metrics, noMetrics } from '../util/metrics.ts';
import type { Random } from '../util/random.ts';
import { edgeNames } from './alt-names.ts';
import { checkedLives, type LifeOptions } from './authority-lives.ts';
import type { Authority, Leaf, RootProvider, Urgency } from './contract.ts';
import { createIntermediates, type Intermediate } from './intermediates.ts';
import { renewAt } from './renewal.ts';
import type { StartSigner } from './signer.ts';
import type { Signed, SigningOrder } from './signing.ts';
import { createSigningPool } from './signing-pool.ts';
import { publicKeyId, type Validity } from './x509.ts';

export interface AuthorityDeps {
  readonly clock: Clock;
  /** For waiting times. Keys and serials have randomness of their own. */
  readonly random: Random;
  readonly log: Logger;
  readonly metrics?: Metrics;
  readonly provider: RootProvider;
  /** Starts a signing thread; tests watch over it. */
  readonly start?: StartSigner;
  /** By key identifier, hex: intermediates whose key somebody else may have. */
  readonly isTainted?: (keyId: string) => boolean;
}

export interface AuthorityOptions extends LifeOptions {
  /** Every name is of it. */
  readonly trustDomain: string;
  /** Host names that no edge is given, in lower case. */
  readonly reservedHosts?: readonly string[];
  /** That sign. Half of the cores, at most 4. */
  readonly threads?: number;
  /** More are refused. 100,000. */
  readonly maxWaiting?: number;
}

interface Issued {
  readonly signed: Signed;
  readonly via: Intermediate;
  readonly validity: Validity;
  readonly renewAtMs: number;
}

/** Less than this left of an intermediate is not worth a certificate; the one that is there serves as long. */
const leastLeftMs = 60_000;
const signedWithin = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60];

/** Half of the cores sign at most, and no more than 4 are ever of use: 10,000 leaves take one of them four seconds. */
export function signingThreads(): number {
  return Math.max(1, Math.min(4, Math.floor(availableParallelism() / 2)));
}

/** Inert; `open` makes the intermediate, `run` keeps it, and ends the threads with it. */
export function createAuthority(deps: AuthorityDeps, options: AuthorityOptions): Authority {
  const { clock, random, provider, metrics = noMetrics, isTainted } = deps;
  const log = deps.log.child('ca');
  const lives = checkedLives(options);
  const intermediates = createIntermediates(
    { clock, random, log, metrics, provider, ...(isTainted === undefined ? {} : { isTainted }) },
    { lifeMs: lives.intermediateMs },
  );
  const pool = createSigningPool(
    { clock, random, log, metrics, ...(deps.start === undefined ? {} : { start: deps.start }) },
    {
      threads: options.threads ?? signingThreads(),
      maxWaiting: options.maxWaiting ?? 100_000,
    },
  );
  const issued = metrics.counter('ca_issued_total', 'Certificates signed', ['kind']);
  const took = metrics.histogram('ca_issue_seconds', 'From asking for a certificate to having it', signedWithin, [
    'kind',
  ]);
  let warned: Intermediate | undefined;

  function validityOf(via: Intermediate, nowMs: number, lifeMs: number): Validity {
    // Certificates know whole seconds.
    const wanted = Math.floor((nowMs + lifeMs) / 1000) * 1000;
    const notAfterMs = Math.min(wanted, via.notAfterMs);
    const ends = new Date(via.notAfterMs).toISOString();
    if (via.notAfterMs - nowMs < Math.min(leastLeftMs, lives.leafMs / 10))
      throw new AppError('CH1816', `the intermediate ends ${ends}; nothing more is signed with it`, {
        retryable: true,
      });
    if (notAfterMs < wanted && lifeMs === lives.leafMs && warned !== via) {
      warned = via;
      log.warn('certificates live shorter than they should, for the intermediate ends', { ends });
    }
    const begin = Math.floor((nowMs - lives.backdateMs) / 1000) * 1000;
    return { notBeforeMs: Math.max(begin, via.notBeforeMs), notAfterMs };
  }

  async function ask(
    wanted: { readonly urgency: Urgency; readonly lifeMs: number; readonly seed: string },
    orderFor: (validity: Validity) => SigningOrder,
  ): Promise<Issued> {
    const sinceMs = clock.now();
    let made: Omit<Issued, 'signed'> | undefined;
    let kind = '';
    const signed = await pool.sign(wanted.urgency, () => {
      const via = intermediates.current();
      const nowMs = clock.wall();
      const validity = validityOf(via, nowMs, wanted.lifeMs);
      made = { via, validity, renewAtMs: renewAt({ fromMs: nowMs, untilMs: validity.notAfterMs }, wanted.seed) };
      const order = orderFor(validity);
      ({ kind } = order);
      return { issuer: via.issuer, order };
    });
    if (made === undefined) throw new Error('a request was answered that was never handed out');
    issued.add({ kind });
    took.observe({ kind }, (clock.now() - sinceMs) / 1000);
    return { ...made, signed };
  }

  function ownName(uri: string): void {
    if (!uri.startsWith(`spiffe://${options.trustDomain}/`))
      throw new AppError('CH1809', `"${uri.slice(0, 300)}" is not of the trust domain "${options.trustDomain}"`);
  }

  function leafOf(spiffeId: string, { signed, via, validity, renewAtMs }: Issued): Omit<Leaf, 'key'> {
    const chain = [signed.certificate, ...via.chain];
    return { spiffeId, chain, serial: signed.serial, ...validity, renewAtMs, root: via.root, issuer: via.keyId };
  }

  return {
    roots: intermediates.roots,
    onRoots: intermediates.onRoots,
    ...(isTainted === undefined ? {} : { isTainted }),
    open: intermediates.open,
    refresh: intermediates.refresh,
    async issue({ spiffeId, seed, urgency }) {
      ownName(spiffeId);
      const done = await ask({ urgency, lifeMs: lives.leafMs, seed }, (validity) => ({
        kind: 'leaf',
        spiffeId,
        validity,
      }));
      return { ...leafOf(spiffeId, done), key: done.signed.key };
    },
    async issueServer({ dns, ips, uri }) {
      ownName(uri);
      const seed = [uri, ...dns, ...ips].join(' ');
      // Without it nobody can connect, and nothing else is worth having.
      const done = await ask({ urgency: 'none-yet', lifeMs: lives.leafMs, seed }, (validity) => ({
        ...{ kind: 'server', dns, ips, uri, validity },
      }));
      const { signed, via, validity, renewAtMs } = done;
      const chain = [signed.certificate, ...via.chain];
      return { chain, key: signed.key, notAfterMs: validity.notAfterMs, renewAtMs };
    },
    async issueEdge(hosts) {
      edgeNames(hosts, options.reservedHosts);
      const wanted = { urgency: 'routine', lifeMs: lives.leafMs, seed: hosts.join(' ') } as const;
      const { signed, via, validity, renewAtMs } = await ask(wanted, (times) => ({
        ...{ kind: 'edge', hosts, validity: times },
      }));
      return { chain: [signed.certificate, ...via.chain], key: signed.key, ...validity, renewAtMs, root: via.root };
    },
    async certify({ spiffeId, publicKey, lifeMs, mark }) {
      ownName(spiffeId);
      // Somebody waits for the answer.
      const wanted = { urgency: 'none-yet', lifeMs, seed: publicKeyId(publicKey) } as const;
      const done = await ask(wanted, (validity) => ({
        ...{ kind: 'certify', spiffeId, publicKey, validity },
        ...(mark === undefined ? {} : { mark }),
      }));
      return leafOf(spiffeId, done);
    },
    async run(signal) {
      intermediates.roots();
      try {
        await intermediates.keep(signal);
      } finally {
        pool.stop();
      }
    },
  };
}
