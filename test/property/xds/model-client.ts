// A client as Envoy documents itself: subscriptions, ACK, NACK of contents it calls bad, silent NACK for what it no longer
// watches, versions carried over a reconnect. It checks every message it gets.
// Invariant: it holds exactly what it accepted; a broken law throws where it breaks.
import { shortNames, type TypeUrl, typeUrls } from '../../../src/resources/type-urls.ts';
import type { ErrorDetail } from '../../../src/xds/requests.ts';
import type { Message } from '../../../src/xds/responses.ts';
import { isFullType } from '../../../src/xds/type-state.ts';
import type { Driver } from '../../unit/xds/driver.ts';

export const modelTypes = [typeUrls.cluster, typeUrls.endpoints, typeUrls.listener, typeUrls.routes] as const;

interface Watched {
  wildcard: boolean;
  readonly names: Set<string>;
  /** A name was asked for on this stream: an empty list means nothing from then on. */
  named: boolean;
  /** Asked for at least once on this stream. */
  asked: boolean;
  readonly held: Map<string, string>;
  /** Delta: names that must be in a response, as content or as removed (R29, R31, R35), and the messages sent before. */
  readonly owed: Map<string, number>;
  nonce: string;
  version: string;
}

export interface ModelClient {
  /** Takes over a new stream, with everything it holds. */
  connect(driver: Driver): void;
  watch(type: TypeUrl, name: string): void;
  unwatch(type: TypeUrl, name: string): void;
  /** A request whose nonce is long gone. */
  stale(type: TypeUrl): void;
  /** Handles the oldest message not yet read; false if there is none. */
  read(): boolean;
  watched(type: TypeUrl): Watched;
  /** The content of the name changed to another one: what was refused may come back later. */
  changed(type: TypeUrl, name: string): void;
}

/** Contents whose bytes say so are refused, always. */
const isBad = (bytes: Uint8Array): boolean => Buffer.from(bytes).toString().includes('bad');

export function createModelClient(variant: 'sotw' | 'delta'): ModelClient {
  const types = new Map<TypeUrl, Watched>();
  let driver: Driver;
  let readTo = 0;
  /** Version refused alone on this stream, by `type name`, while that content stays. */
  const refused = new Map<string, string>();

  const watched = (type: TypeUrl): Watched => {
    let state = types.get(type);
    if (state === undefined) {
      const wildcard = isFullType(type);
      state = {
        wildcard,
        names: new Set(),
        named: false,
        asked: false,
        held: new Map(),
        owed: new Map(),
        nonce: '',
        version: '',
      };
      types.set(type, state);
    }
    return state;
  };
  const list = (state: Watched): string[] => {
    state.named ||= state.names.size > 0;
    return state.wildcard && !state.named ? [] : [...(state.wildcard ? ['*'] : []), ...state.names];
  };

  function tell(type: TypeUrl, rest: { error?: ErrorDetail; nonce?: string }): void {
    const state = watched(type);
    const { error, nonce = state.nonce } = rest;
    driver.sotw(type, list(state), { nonce, error, versionInfo: state.version });
  }

  function check(message: Message): void {
    const { type, resources, removed } = message;
    const state = watched(type);
    const where = `${shortNames[type]} ${message.nonce}`;
    if (!state.asked) throw new Error(`${where}: never asked for`);
    for (const [name, { version }] of resources) {
      if (variant === 'delta' && removed.includes(name)) throw new Error(`${where}: ${name} is in both lists`);
      if (refused.get(`${type} ${name}`) === version) throw new Error(`${where}: ${name} was refused and sent again`);
    }
    const later = driver.sent.slice(readTo).filter((other) => other.type === type);
    if (later.length > 0) throw new Error(`${where}: a second message before the first was answered`);
  }

  function read(): boolean {
    const message = driver.sent[readTo];
    if (message === undefined) return false;
    readTo++;
    check(message);
    const { type, nonce, resources, removed } = message;
    const state = watched(type);
    state.nonce = nonce;
    for (const name of [...resources.keys(), ...removed])
      if ((state.owed.get(name) ?? 0) < readTo) state.owed.delete(name);
    const wants = (name: string): boolean => state.wildcard || state.names.has(name);
    if (variant === 'sotw' && !state.wildcard && state.names.size === 0) {
      // Nothing is watched: Envoy answers with the new nonce and no error, and not at all to an empty message.
      if (resources.size > 0) tell(type, {});
      return true;
    }
    const bad = [...resources.values()].filter(({ bytes }) => isBad(bytes));
    const good = [...resources.values()].filter(({ name, bytes }) => !isBad(bytes) && wants(name));
    if (bad.length > 0) {
      const [only] = bad;
      if (only !== undefined && resources.size === 1) refused.set(`${type} ${only.name}`, only.version);
      const error = { code: 13, message: 'refused' };
      if (variant === 'sotw') tell(type, { error });
      else driver.delta(type, { nonce, error });
      return true;
    }
    if (variant === 'sotw' && isFullType(type)) state.held.clear();
    for (const { name, version } of good) state.held.set(name, version);
    if (variant === 'delta') {
      for (const name of removed) state.held.delete(name);
      driver.delta(type, { nonce });
    } else {
      state.version = message.version;
      tell(type, {});
    }
    return true;
  }

  function first(type: TypeUrl): void {
    const state = watched(type);
    state.asked = true;
    state.named = false;
    if (variant === 'sotw') tell(type, {});
    else {
      state.owed.clear();
      for (const name of state.names) state.owed.set(name, driver.sent.length);
      driver.delta(type, { subscribe: list(state), versions: new Map(state.held) });
    }
  }

  return {
    watched,
    read,
    changed: (type, name) => void refused.delete(`${type} ${name}`),
    connect(next) {
      driver = next;
      readTo = 0;
      refused.clear();
      for (const type of modelTypes) if (watched(type).asked) first(type);
    },
    watch(type, name) {
      const state = watched(type);
      if (!state.asked && state.wildcard) return first(type);
      const isNew = !state.names.has(name);
      if (variant === 'sotw' && !isNew && state.asked) return;
      state.names.add(name);
      if (!state.asked) return first(type);
      if (variant === 'sotw') tell(type, {});
      else {
        state.owed.set(name, driver.sent.length);
        driver.delta(type, { subscribe: [name] });
      }
    },
    unwatch(type, name) {
      const state = watched(type);
      if (!state.asked || !state.names.delete(name)) return;
      if (!state.wildcard) state.held.delete(name);
      if (variant === 'sotw') tell(type, {});
      else {
        // Beside the wildcard nobody knows what it is to have now, until it is told.
        if (state.wildcard) state.owed.set(name, driver.sent.length);
        else state.owed.delete(name);
        driver.delta(type, { unsubscribe: [name] });
      }
    },
    stale(type) {
      if (!watched(type).asked) return;
      if (variant === 'sotw') tell(type, { nonce: 'gone-1' });
      else driver.delta(type, { nonce: 'gone-1' });
    },
  };
}
