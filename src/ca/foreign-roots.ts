// Roots that somebody else keeps, and intermediates that are signed below them: what Vault, step-ca and files have in common.
// It must not know how the authority is had. Invariants: proxies are told of a root before leaves of it are shown, but for
// the very first; what was told is kept, sealed, for replicas and restarts; an answer that is doubtful changes nothing, and
// nothing is ever made here in the place of what the authority does not give.
import type { Store, StoreEntry } from '../model/store.ts';
import type { Clock } from '../util/clock.ts';
import { AppError, errorText } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import type { Metrics } from '../util/metrics.ts';
import type { IntermediateOrder, RootProvider, Roots } from './contract.ts';
import { type IntermediateRequest, intermediateRequest } from './csr.ts';
import {
  type Bundle,
  type BundleLimits,
  bundleText,
  followRoots,
  inOrder,
  maxRoots,
  readBundle,
  type TakeOverLimits,
  type TrustedRoot,
  usableFrom,
} from './foreign-bundle.ts';
import { type CheckedIntermediate, checkIntermediate, checkRoot } from './foreign-intermediate.ts';
import { certificateText } from './root.ts';

/** An authority that is not ours. Each call is one try, ends in bounded time, and rejects with CH1873 to CH1877, or CH1881 to CH1883. */
export interface ForeignAuthority {
  /** For messages: `Vault at https://vault:8200`. */
  readonly name: string;
  /** It still signs under the root that signed until now when it has another one; others sign under their latest. */
  readonly keepsFormer?: true;
  /** `known`: its roots as far as they are known, DER. */
  read(known: readonly Uint8Array[]): Promise<ForeignState>;
  sign(
    order: ForeignOrder,
    known: readonly Uint8Array[],
  ): Promise<{ readonly certificate: Uint8Array; readonly chain: readonly Uint8Array[] }>;
}

export interface ForeignOrder {
  /** SPKI DER. */
  readonly publicKey: Uint8Array;
  readonly lifeMs: number;
  /** The order as PKCS#10, with the proof that the key is ours. */
  readonly request: () => IntermediateRequest;
  /** Key id of the root that is to sign, for who has the choice. */
  readonly under?: string | undefined;
}

export interface ForeignState {
  /** DER; not checked yet. */
  readonly roots: readonly Uint8Array[];
  /** DER of the root that it signs under now, where it tells. */
  readonly signs?: Uint8Array | undefined;
}

export interface ForeignRootsDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly authority: ForeignAuthority;
  /** Where replicas keep what they told. */
  readonly store: Store;
  readonly seal: (plain: Uint8Array, path: string) => Promise<Uint8Array>;
  readonly unseal: (sealed: Uint8Array, path: string) => Promise<Uint8Array>;
  /** Whether every proxy, of every replica, said that it trusts these; asked once a look. */
  readonly confirmed: (roots: Roots) => Promise<boolean>;
}

export interface ForeignRootsOptions extends BundleLimits, TakeOverLimits {
  readonly kind: string;
  /** Who leaves a root out means it: see `FollowAt.isUnused`. */
  readonly leftOutIsDistrusted?: true;
  readonly trustDomain: string;
}

export interface ForeignRoots extends RootProvider {
  reload(): Promise<Roots>;
}

const bundlePath = 'ca/foreign';
const lost = 'the authority that keeps the root cannot be followed; its roots stay as they were';
/** Of writes that others were faster with. */
const attempts = 5;

export function createForeignRoots(deps: ForeignRootsDeps, options: ForeignRootsOptions): ForeignRoots {
  const { clock, authority, store } = deps;
  const log = deps.log.child('ca');
  const failures = deps.metrics.counter('ca_provider_failures_total', 'Times the provider of the roots failed');
  const { trustDomain } = options;
  let bundle: Bundle = [];
  let isOpen = false;
  let generation = 0;
  /** Key id of the root that the authority signs under, as it said or as its last certificate showed. */
  let upstream: string | undefined;
  /** What this replica signs with: key id of its root, and its end. */
  let current: { readonly root: string; readonly endsMs: number } | undefined;
  let confirmed: ReadonlySet<string> = new Set();
  /** What was given in this life of the process, by its bytes; and what signed, by key id. */
  const [everGiven, everSigned] = [new Set<string>(), new Set<string>()];
  /** What was said last, by what it is about, so that it is said once. */
  const said = new Map<string, string>();

  const known = (): readonly Uint8Array[] => bundle.map(({ certificate }) => certificate);

  function usableAt(keyId: string): number | undefined {
    return usableFrom(bundle, keyId, { confirmed, endsMs: current?.endsMs }, options);
  }
  // One that signs was usable before; that a proxy has not confirmed it since takes nothing back.
  const isUsable = (keyId: string): boolean =>
    keyId === current?.root || (usableAt(keyId) ?? Number.POSITIVE_INFINITY) <= clock.wall();
  const isUnused = ({ certificate, keyId }: TrustedRoot): boolean =>
    everGiven.has(certificateText(certificate)) && !everSigned.has(keyId);

  /** Key id of the root that is to sign. */
  function first(): string | undefined {
    const given = bundle.filter(({ goneMs }) => goneMs === undefined).map(({ keyId }) => keyId);
    const wanted = upstream ?? (current !== undefined && given.includes(current.root) ? current.root : given[0]);
    return wanted !== undefined && (current === undefined || isUsable(wanted)) ? wanted : current?.root;
  }
  function rootsNow(): Roots {
    if (!isOpen) throw new Error('open() has not resolved');
    return { generation, roots: inOrder(bundle, first()) };
  }

  /** What replicas told so far; `entry` is undefined where nobody told anything. */
  async function recall(): Promise<{ readonly entry: StoreEntry | undefined; readonly before: Bundle }> {
    const entry = await store.get(bundlePath);
    const before = entry === undefined ? [] : readBundle(await deps.unseal(entry.value, bundlePath));
    if (before === undefined)
      throw new AppError('CH1875', `the ${store.kind} store holds no roots under "${bundlePath}"`);
    return { entry, before };
  }

  /** What others told, and what we sign under, whatever others say. */
  function withInUse(told: Bundle): Bundle {
    const ours = bundle.filter(({ keyId }) => keyId === current?.root && told.every((root) => root.keyId !== keyId));
    return ours.length === 0 ? told : [...told, ...ours];
  }

  /** The shared bundle, with what is given now; written before anybody is told. */
  async function remember(given: readonly Uint8Array[]): Promise<Bundle> {
    for (const der of given) everGiven.add(certificateText(der));
    for (let attempt = 1; attempt <= attempts; attempt++) {
      const { entry, before } = await recall();
      const at = {
        ...{ nowMs: clock.wall(), inUse: current?.root },
        ...(options.leftOutIsDistrusted === true ? { isUnused } : {}),
      };
      const next = followRoots(withInUse(before), given, at, options);
      if (next.length > maxRoots) throw unreadable(`gives ${next.length} roots; at most ${maxRoots} are taken`);
      if (next === before) return before;
      if ((await store.put(bundlePath, await deps.seal(bundleText(next), bundlePath), entry ?? 'absent')) !== undefined)
        return next;
    }
    throw new AppError('CH1873', 'other replicas write the roots again and again', { retryable: true });
  }

  function unreadable(why: string): AppError {
    return new AppError('CH1875', `${authority.name} ${why}`, { retryable: true });
  }

  /** Those that proxies can be told; that one cannot be used is no reason to do without the others. */
  function usable(roots: readonly Uint8Array[]): readonly Uint8Array[] {
    const faults: string[] = [];
    const good = roots.filter((der) => {
      try {
        checkRoot(der, { nowMs: clock.wall(), trustDomain });
        return true;
      } catch (error) {
        faults.push(errorText(error));
        return false;
      }
    });
    if (good.length === 0)
      throw unreadable(faults.length === 0 ? 'gives no root' : `gives no usable root: ${faults[0]}`);
    say('a root of the authority outside cannot be used', faults.join('; '));
    return good;
  }

  /** An empty text: that is over. */
  function say(message: string, error: string): void {
    if (error !== '' && said.get(message) !== error) log.warn(message, { authority: authority.name, error });
    said.set(message, error);
  }

  async function follow(): Promise<void> {
    // What another replica was told of since may be what the authority now proves itself with.
    const { before } = await recall();
    const { roots, signs } = await authority.read(before.map(({ certificate }) => certificate));
    const next = await remember(usable(roots));
    const told = next.map(({ certificate }) => certificateText(certificate)).join();
    if (told !== known().map(certificateText).join()) {
      generation++;
      if (isOpen) log.info('the roots that somebody else keeps changed', { roots: next.map(({ keyId }) => keyId) });
    }
    bundle = next;
    const name = signs && certificateText(signs);
    upstream = bundle.find(({ certificate }) => certificateText(certificate) === name)?.keyId;
  }

  function check(given: Awaited<ReturnType<ForeignAuthority['sign']>>, publicKey: Uint8Array): CheckedIntermediate {
    // The one that lives longest first: of a root that was renewed with its key there are two.
    const roots = inOrder(bundle, undefined).map(({ certificate }) => certificate);
    return checkIntermediate({ ...given, roots, publicKey, trustDomain, nowMs: clock.wall() });
  }

  function waits(keyId: string): AppError {
    const at = usableAt(keyId) ?? clock.wall();
    return new AppError(
      'CH1878',
      `${authority.name} signs under the root ${keyId}, which proxies were told of a moment ago; it is used from ${new Date(at).toISOString()} at the latest`,
      { retryable: true },
    );
  }

  /** Nobody's leaves are ours yet: other replicas get the time to tell their proxies. */
  async function waitFor(keyId: string): Promise<void> {
    const waitMs = (usableAt(keyId) ?? 0) - clock.wall();
    if (waitMs <= 0) return;
    log.warn('the authority outside signs under another root; waiting until proxies were told of it', {
      ...{ authority: authority.name, root: keyId, waitSeconds: Math.ceil(waitMs / 1000) },
    });
    await clock.sleep(waitMs);
  }

  async function signed({
    publicKey,
    lifeMs,
    prove,
  }: IntermediateOrder): Promise<CheckedIntermediate & { readonly certificate: Uint8Array }> {
    const request = (): IntermediateRequest => {
      if (prove === undefined) throw new Error('an authority outside asks for a proof that the key is ours');
      return intermediateRequest({ publicKey, prove, trustDomain });
    };
    const given = await authority.sign({ publicKey, lifeMs, request, under: first() }, known());
    try {
      return { certificate: given.certificate, ...check(given, publicKey) };
    } catch (error) {
      // Its root may have been exchanged since it was read.
      const before = bundle;
      await follow();
      if (bundle === before) throw error;
      return { certificate: given.certificate, ...check(given, publicKey) };
    }
  }

  return {
    kind: options.kind,
    async open() {
      await follow();
      isOpen = true;
      return rootsNow();
    },
    async reload() {
      const told = rootsNow();
      try {
        const all = await deps.confirmed(told);
        confirmed = new Set(all ? told.roots.map(({ keyId }) => keyId) : []);
        await follow();
        say(lost, '');
      } catch (error) {
        // What was told stays told.
        failures.add({});
        say(lost, errorText(error));
      }
      return rootsNow();
    },
    async signIntermediate(order) {
      if (!isOpen) throw new Error('open() has not resolved');
      const goesOn = current === undefined || authority.keepsFormer === true;
      if (!goesOn && upstream !== undefined && !isUsable(upstream)) throw waits(upstream);
      const { certificate, chain, notAfterMs, root } = await signed(order);
      if (current === undefined) await waitFor(root);
      if (!isUsable(root)) throw waits(root);
      current = { root, endsMs: notAfterMs };
      everSigned.add(root);
      upstream = root;
      return { certificate, chain, notAfterMs };
    },
  };
}
