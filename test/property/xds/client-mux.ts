// The subscription half of a client, as Envoy documents it, for both variants: what it asks for, what it says to a message,
// what it brings to a new stream. Requests are made when they leave, so what waits merges.
// It must not know what resources mean. Invariant: a nonce is answered once, and only the nonce of a message that came.
import { type TypeUrl, typeUrls } from '../../../src/resources/type-urls.ts';
import type { DiscoveryRequest, ErrorDetail } from '../../../src/xds/requests.ts';
import type { Message } from '../../../src/xds/responses.ts';

export interface Interest {
  readonly wildcard: boolean;
  readonly names: ReadonlySet<string>;
}

export interface ReconnectHabits {
  /** Order in which the types ask first: rotated by this. */
  readonly rotate: number;
  /** An old Envoy brings the nonce of the last stream along. */
  readonly keepNonce: boolean;
}

export interface ClientMux {
  /** What is wanted of the type from now on. `again`: a watch was added, whether or not the names changed. */
  want(type: TypeUrl, interest: Interest, again?: boolean): void;
  wants(type: TypeUrl, name: string): boolean;
  /** True if the first request of the type came after one that told of an earlier stream. */
  known(type: TypeUrl): boolean;
  /** Delta: true if the version of the name was accepted, and is told to the next server. */
  remembers(type: TypeUrl, name: string): boolean;
  /** A stream of its own for a watch that was added: the type starts anew. */
  restart(type: TypeUrl): void;
  /** Nothing of a paused type leaves. */
  pause(type: TypeUrl, paused: boolean): void;
  /** `held`: the versions accepted; undefined if refused. */
  answer(message: Message, error: ErrorDetail | undefined): void;
  /** A message of a type nothing is watched of: silence if it is empty (R16), else its nonce without its version (R15). */
  ignore(message: Message): void;
  watches(type: TypeUrl): boolean;
  /** Says again what it said, delta: under a nonce that is gone (R18 to R20). */
  repeat(type: TypeUrl): void;
  reconnect(habits: ReconnectHabits): void;
  /** The next request that leaves, undefined if none may. */
  next(): DiscoveryRequest | undefined;
}

interface MuxType {
  interest: Interest;
  /** A name was asked for on this stream. */
  named: boolean;
  /** A request of this type left on this stream. */
  asked: boolean;
  /** When it was asked for first, the server could tell that this is no fresh client. */
  known: boolean;
  nonce: string;
  oldNonce: string;
  version: string;
  paused: boolean;
  error: ErrorDetail | undefined;
  /** Delta: increments that have not left. */
  readonly added: Set<string>;
  readonly removed: Set<string>;
  /** Delta: versions of what was accepted. */
  readonly versions: Map<string, string>;
}

/** A request that waits: SotW ones of a type merge, delta ones keep their nonce. */
interface Waiting {
  readonly type: TypeUrl;
  readonly nonce: string | undefined;
  readonly error: ErrorDetail | undefined;
}

const wildcardName = '*';

/** `explicit`: says "*" where an empty list would do (R34). */
export function createClientMux(variant: 'sotw' | 'delta', { explicit }: { readonly explicit: boolean }): ClientMux {
  const types = new Map<TypeUrl, MuxType>();
  let waiting: Waiting[] = [];
  /** This stream told of an earlier one, or is the first. */
  let told = true;

  const obtain = (type: TypeUrl): MuxType => {
    let state = types.get(type);
    if (state === undefined) {
      state = {
        ...{
          interest: { wildcard: false, names: new Set() },
          named: false,
          asked: false,
          known: true,
          nonce: '',
          oldNonce: '',
        },
        ...{ version: '', paused: false, error: undefined },
        ...{ added: new Set<string>(), removed: new Set<string>(), versions: new Map<string, string>() },
      };
      types.set(type, state);
    }
    return state;
  };

  function queue(type: TypeUrl, { nonce, error }: { nonce?: string; error?: ErrorDetail | undefined } = {}): void {
    const merges = variant === 'sotw' || nonce === undefined;
    if (merges && waiting.some((one) => one.type === type && one.nonce === undefined)) return;
    waiting.push({ type, nonce: variant === 'sotw' ? undefined : nonce, error });
  }

  function forget(state: MuxType, keepNonce: boolean): void {
    state.asked = false;
    state.named = false;
    state.error = undefined;
    state.oldNonce = '';
    if (!keepNonce) state.nonce = '';
    state.added.clear();
    state.removed.clear();
  }

  function list({ interest, named }: MuxType): string[] {
    const names = [...interest.names];
    if (!interest.wildcard) return names;
    return explicit || named || names.length > 0 ? [wildcardName, ...names] : [];
  }

  function sotwRequest(typeUrl: TypeUrl, state: MuxType): DiscoveryRequest {
    const names = list(state);
    state.named ||= names.length > 0;
    state.asked = true;
    const { nonce, version, error } = state;
    state.error = undefined;
    return { variant: 'sotw', typeUrl, nonce, error, node: undefined, versionInfo: version, names };
  }

  function deltaRequest(typeUrl: TypeUrl, state: MuxType, { nonce, error }: Waiting): DiscoveryRequest {
    const base = { variant: 'delta', typeUrl, nonce: nonce ?? '', error, node: undefined } as const;
    let subscribe = [...state.added];
    let unsubscribe = [...state.removed];
    let versions = new Map<string, string>();
    if (!state.asked) {
      subscribe = list(state);
      unsubscribe = [];
      versions = new Map(state.versions);
    }
    state.named ||= subscribe.length > 0;
    state.asked = true;
    state.added.clear();
    state.removed.clear();
    return { ...base, subscribe, unsubscribe, versions };
  }

  return {
    want(type, interest, again = false) {
      const fresh = !types.has(type);
      if (fresh && !interest.wildcard && interest.names.size === 0) return;
      const state = obtain(type);
      const before = state.interest;
      const was = new Set([...before.names, ...(before.wildcard ? [wildcardName] : [])]);
      const is = new Set([...interest.names, ...(interest.wildcard ? [wildcardName] : [])]);
      let changed = fresh;
      for (const name of was)
        if (!is.has(name)) {
          changed = true;
          state.added.delete(name);
          state.removed.add(name);
        }
      for (const name of is)
        if (!was.has(name)) {
          changed = true;
          state.removed.delete(name);
          state.added.add(name);
        }
      state.interest = { wildcard: interest.wildcard, names: new Set(interest.names) };
      for (const name of state.versions.keys())
        if (!interest.wildcard && !interest.names.has(name)) state.versions.delete(name);
      if (changed || (again && variant === 'sotw')) queue(type);
    },
    restart(type) {
      waiting = waiting.filter((one) => one.type !== type);
      forget(obtain(type), false);
      queue(type);
    },
    wants(type, name) {
      const { interest } = obtain(type);
      return interest.wildcard || interest.names.has(name);
    },
    remembers: (type, name) => variant === 'sotw' || obtain(type).versions.has(name),
    pause(type, paused) {
      obtain(type).paused = paused;
    },
    answer(message, error) {
      const state = obtain(message.type);
      state.oldNonce = state.nonce;
      state.nonce = message.nonce;
      if (error === undefined) {
        state.version = message.version;
        for (const [name, version] of message.versions)
          if (state.interest.wildcard || state.interest.names.has(name)) state.versions.set(name, version);
        for (const name of message.removed) if (!message.versions.has(name)) state.versions.delete(name);
      }
      state.error = error;
      queue(message.type, { nonce: message.nonce, error });
    },
    ignore(message) {
      const state = obtain(message.type);
      state.oldNonce = state.nonce;
      state.nonce = message.nonce;
      if (message.resources.size === 0) state.version = message.version;
      else queue(message.type);
    },
    watches(type) {
      const { interest } = obtain(type);
      return interest.wildcard || interest.names.size > 0;
    },
    repeat(type) {
      const state = types.get(type);
      if (state === undefined || !state.asked) return;
      queue(type, variant === 'delta' ? { nonce: state.oldNonce } : {});
    },
    known: (type) => obtain(type).known,
    reconnect({ rotate, keepNonce }) {
      told = false;
      waiting = [];
      const all = [...types.keys()];
      for (const state of types.values()) forget(state, keepNonce);
      const turn = rotate % Math.max(1, all.length);
      // Routes are asked for on behalf of a listener, so its type was subscribed before, and is never held back (R40).
      const order = [...all.slice(turn), ...all.slice(0, turn)];
      const known = order.indexOf(typeUrls.listener);
      const early = order.indexOf(typeUrls.routes);
      if (early !== -1 && early < known) order.splice(early, 0, ...order.splice(known, 1));
      for (const type of order) queue(type);
    },
    next() {
      const at = waiting.findIndex(({ type }) => !obtain(type).paused);
      const one = waiting[at];
      if (one === undefined) return undefined;
      waiting.splice(at, 1);
      const state = obtain(one.type);
      if (!state.asked) {
        told ||= variant === 'sotw' ? state.version !== '' : state.versions.size > 0;
        state.known = told;
      }
      return variant === 'sotw' ? sotwRequest(one.type, state) : deltaRequest(one.type, state, one);
    },
  };
}
