// A client as Envoy documents itself: clusters and listeners warm before they serve, routes serve at once, the CDS ACK waits
// until clusters are warm (R17), a NACK takes what is valid (R14), what is not watched is not answered with an error (R15, R16).
// After every message it routes a request by every route it serves. Own words, after xds_protocol.rst and the Envoy manual.
// Invariant: it holds exactly what it accepted.
import { shortNames, type TypeUrl, typeUrls } from '../../../src/resources/type-urls.ts';
import type { DiscoveryRequest } from '../../../src/xds/requests.ts';
import type { Message } from '../../../src/xds/responses.ts';
import { createClientMux, type ReconnectHabits } from './client-mux.ts';
import { type Body, bad, bodyOf, empty } from './mesh.ts';

const { cluster, endpoints, secret, listener, routes } = typeUrls;

export interface EnvoyHabits {
  readonly explicit: boolean;
  readonly aggregated: boolean;
  /** Objects made anew wait for their secrets to come again (R49). */
  readonly strictSecrets: boolean;
  /** Names the refused resources in its NACK: these, all of the message, or none. */
  readonly quotes: 'bad' | 'all' | 'none';
  /** Of a refused message of a named type: what stands before the first bad resource, everything good, or nothing. */
  readonly applies: 'before' | 'good' | 'none';
}

/** One cluster or listener as one message made it. */
interface Made {
  readonly body: Body;
  readonly version: string;
  /** Waits for its endpoints or its routes. */
  waits: boolean;
  readonly secrets: Set<string>;
  /** Cluster: version of its endpoints. */
  endpoints: string | undefined;
  /** Its endpoints were refused when it waited for them, or were told to be missing. */
  bereft: boolean;
}

interface Slot {
  active: Made | undefined;
  warming: Made | undefined;
}

export interface ModelClient {
  /** Every request leaves as soon as there is a reason for it. */
  readonly prompt?: boolean;
  /** Opens or closes a channel, where it has such. */
  toggle(name: string): void;
  /** Handles one message. */
  receive(message: Message): void;
  next(): DiscoveryRequest | undefined;
  reconnect(habits: ReconnectHabits): void;
  repeat(type: TypeUrl): void;
  /** The client's own time limit for resources that do not come. */
  expire(): void;
  /** Types a new watch opened a stream of its own for: only where streams are not aggregated. */
  reopened(): TypeUrl[];
  /** The view is another one. */
  published?(exists: (type: TypeUrl, name: string) => boolean): void;
  /** Requests that fail now, each with its reason. `exists`: what the view has now; `atRest`: nothing is under way. */
  failures(exists: (type: TypeUrl, name: string) => boolean, atRest: boolean): string[];
  /** What it holds: `type name` -> version. */
  held(): Map<string, string>;
  /** `type name` of what it would have to have to be complete, and has not. */
  missing(): string[];
  /** `type name` of what the warming ones wait for. */
  waitsFor(): string[];
  /**
   * Clusters and listeners that it took, or took away, as a refused response said, before the present stream: it tells no
   * version of them, or the one before (R14), so that no server can know.
   */
  orphans(): ReadonlySet<string>;
  /**
   * True once after a refusal that no server can answer without loss: of a cluster or listener that it brought along, of
   * which a SotW server has no content to keep it by; of endpoints or secrets that it brought along, while they are waited for; of a
   * SotW set with more changes than the refused one, without saying which it was: the trials take the others back.
   */
  tookLoss(): boolean;
}

export function createEnvoyClient(variant: 'sotw' | 'delta', habits: EnvoyHabits): ModelClient {
  const mux = createClientMux(variant, habits);
  const clusters = new Map<string, Slot>();
  const listeners = new Map<string, Slot>();
  const routeTables = new Map<string, { body: Body; version: string } | undefined>();
  const secrets = new Map<string, string | undefined>();
  /** `type name` of what was refused without a last good one. */
  const refused = new Set<string>();
  /** Clusters refused at some time: gone and wanted again with that content, they are not sent again. */
  const everRefused = new Set<string>();
  /** `type name` of clusters and listeners refused and not accepted since. */
  const denied = new Set<string>();
  /** `route cluster` that a route had from its first content on though the cluster was refused. */
  const excused = new Set<string>();
  /** Names of assignments that came with endpoints, while they are watched. */
  const populated = new Set<string>();
  /** Endpoints whose newest content was refused, while a good one serves. */
  const outlived = new Set<string>();
  /** Clusters that no server could know to be missing, and that warm. */
  const revived = new Set<string>();
  /** `CDS a` as a refused response left it, with nothing accepted of it since. */
  const partial = new Set<string>();
  const orphans = new Set<string>();
  /** Clusters and listeners brought along to the present stream, until they come on it. */
  const own = new Set<string>();
  let deniedOwn = false;
  let deniedNeeds = false;
  let reopened: TypeUrl[] = [];
  let clustersCame = false;
  let initialised = false;

  const everything = { wildcard: true, names: new Set<string>() };
  mux.want(cluster, everything);

  function* made(slots: ReadonlyMap<string, Slot>): Iterable<Made> {
    for (const { active, warming } of slots.values()) {
      if (active !== undefined) yield active;
      if (warming !== undefined) yield warming;
    }
  }
  const present = (names: Iterable<string | undefined>): Set<string> =>
    new Set([...names].filter((name): name is string => name !== undefined && name !== ''));

  /** Warms what is ready, then asks for what is needed now. `again`: types that got a watch. */
  function settle(touched: ReadonlySet<TypeUrl>): void {
    const again = new Set(touched);
    for (const slots of [clusters, listeners])
      for (const slot of slots.values())
        if (slot.warming !== undefined && !slot.warming.waits && slot.warming.secrets.size === 0) {
          slot.active = slot.warming;
          slot.warming = undefined;
        }
    const warming = [...clusters.values()].some((slot) => slot.warming !== undefined);
    initialised ||= clustersCame && !warming;
    mux.pause(cluster, initialised && warming);
    if (initialised) mux.want(listener, everything);
    const names = (list: Iterable<Made>, of: (body: Body) => string | undefined): Set<string> =>
      present([...list].map(({ body }) => of(body)));
    const wanted = (type: TypeUrl, set: Set<string>): void => {
      mux.want(type, { wildcard: false, names: set }, again.has(type));
      if (habits.aggregated || !again.has(type) || set.size === 0) return;
      // Without aggregation every watch has a stream of its own; one stream that starts anew stands for them.
      mux.restart(type);
      reopened.push(type);
    };
    // With the last cluster that used them go the good endpoints that a refusal had left.
    for (const name of outlived)
      if (!isHeld(endpoints, name) && outlived.delete(name)) refused.add(`${endpoints} ${name}`);
    const all = [...made(clusters), ...made(listeners)];
    const ofEndpoints = names(made(clusters), ({ eds }) => eds);
    wanted(endpoints, ofEndpoints);
    for (const name of populated) if (!ofEndpoints.has(name)) populated.delete(name);
    const ofSecrets = names(all, (body) => body.secret);
    const ofRoutes = names(made(listeners), ({ route }) => route);
    for (const [type, set, known] of [
      [secret, ofSecrets, secrets],
      [routes, ofRoutes, routeTables],
    ] as const) {
      for (const name of set)
        if (!known.has(name)) {
          known.set(name, undefined);
          again.add(type);
        }
      for (const name of known.keys()) if (!set.has(name)) known.delete(name);
      wanted(type, set);
    }
  }

  function make(type: TypeUrl, { version, body }: { version: string; body: Body }): Made {
    const own = present([body.secret]);
    const waiting = habits.strictSecrets ? own : [...own].filter((name) => secrets.get(name) === undefined);
    const waits =
      type === cluster
        ? body.eds !== ''
        : body.route !== undefined &&
          routeTables.get(body.route) === undefined &&
          !refused.has(`${routes} ${body.route}`);
    return { body, version, waits, secrets: new Set(waiting), endpoints: undefined, bereft: false };
  }

  /** Clusters and listeners: the valid ones count even in a refused message, and so do the removals. */
  function takeWhole(type: TypeUrl, message: Message): string[] {
    const slots = type === cluster ? clusters : listeners;
    const wrong: string[] = [];
    let replaced = false;
    const again = new Set<TypeUrl>();
    for (const [name, resource] of message.resources) {
      const body = bodyOf(resource);
      const { version } = resource;
      if (body.content === bad) {
        wrong.push(name);
        denied.add(`${type} ${name}`);
        if (type === cluster) everRefused.add(name);
        deniedOwn ||= own.has(`${type} ${name}`) || (own.size > 0 && habits.quotes !== 'bad');
        continue;
      }
      const slot = slots.get(name) ?? { active: undefined, warming: undefined };
      // In SotW a listener that was brought along cannot be kept as it was: nobody has its content.
      const fresh = slot.active === undefined || (variant === 'sotw' && own.has(`${type} ${name}`));
      if (type === listener && fresh) excuse(type, { name, body });
      own.delete(`${type} ${name}`);
      for (const set of [refused, denied]) set.delete(`${type} ${name}`);
      if ((slot.warming ?? slot.active)?.version === version) continue;
      replaced ||= slot.active !== undefined;
      slot.warming = make(type, { version, body });
      slots.set(name, slot);
      if (body.eds !== undefined && body.eds !== '') again.add(endpoints);
      if (habits.strictSecrets && body.secret !== '') again.add(secret);
    }
    const gone =
      variant === 'delta' ? message.removed : [...slots.keys()].filter((name) => !message.resources.has(name));
    for (const name of gone) slots.delete(name);
    noteTaken(type, { message, gone, whole: wrong.length === 0 });
    for (const name of wrong) if (!slots.has(name)) refused.add(`${type} ${name}`);
    deniedOwn ||= wrong.length > 0 && replaced && habits.quotes !== 'bad';
    if (type === cluster) clustersCame = true;
    settle(again);
    return wrong;
  }

  function noteTaken(
    type: TypeUrl,
    { message, gone, whole }: { message: Message; gone: readonly string[]; whole: boolean },
  ): void {
    for (const name of type === cluster && whole ? message.resources.keys() : [])
      if (orphans.has(`${shortNames[type]} ${name}`) && clusters.get(name)?.active === undefined) revived.add(name);
    if (whole && variant === 'sotw')
      for (const set of [partial, orphans])
        for (const key of set) if (key.startsWith(shortNames[type])) set.delete(key);
    for (const name of [...message.resources.keys(), ...gone])
      if (!whole) partial.add(`${shortNames[type]} ${name}`);
      else for (const set of [partial, orphans]) set.delete(`${shortNames[type]} ${name}`);
  }

  /** What is said of a name that is watched: undefined if it was refused, or does not exist. */
  function takeOne(type: TypeUrl, name: string, resource: { version: string; body: Body } | undefined): void {
    // An empty assignment says only that there are none to give.
    if (resource !== undefined && resource.body.content !== empty) {
      refused.delete(`${type} ${name}`);
      if (type === endpoints) outlived.delete(name);
    }
    if (resource !== undefined) own.delete(`${type} ${name}`);
    if (type === endpoints) {
      for (const one of made(clusters)) {
        if (one.body.eds !== name) continue;
        one.bereft = resource === undefined || (resource.body.content === empty && !populated.has(name));
        one.waits = false;
        if (resource !== undefined) one.endpoints = resource.body.content === empty ? undefined : resource.version;
        if (one.endpoints !== undefined) populated.add(name);
      }
    } else if (type === secret) {
      if (resource !== undefined) secrets.set(name, resource.version);
      for (const one of [...made(clusters), ...made(listeners)]) one.secrets.delete(name);
    } else {
      const known = routeTables.get(name);
      if (resource !== undefined) {
        if (known === undefined) excuse(type, { name, body: resource.body });
        routeTables.set(name, resource);
      }
      for (const one of made(listeners)) if (one.body.route === name) one.waits = false;
    }
  }

  /**
   * What the client never had comes though a cluster of it was refused: its other rules work. And a client that comes back
   * without anything it could tell of is taken for a fresh one.
   */
  function excuse(type: TypeUrl, { name, body }: { name: string; body: Body }): void {
    for (const target of body.clusters ?? [])
      if (isRefused(target) || !mux.known(type)) excused.add(`${name} ${target}`);
  }

  function takeNamed(type: TypeUrl, message: Message): string[] {
    const all = [...message.resources].map(([name, one]) => ({ name, version: one.version, body: bodyOf(one) }));
    const wrong = all.filter(({ name, body }) => body.content === bad && mux.wants(type, name)).map(({ name }) => name);
    const firstWrong = all.findIndex(({ name }) => name === wrong[0]);
    for (const [index, { name, version, body }] of all.entries()) {
      if (!mux.wants(type, name)) continue;
      if (wrong.includes(name)) {
        if (type !== routes && own.has(`${type} ${name}`)) deniedNeeds = true;
        if (!isHeld(type, name)) refused.add(`${type} ${name}`);
        else if (type === endpoints) outlived.add(name);
        takeOne(type, name, undefined);
      } else if (wrong.length === 0 || habits.applies === 'good' || (habits.applies === 'before' && index < firstWrong))
        takeOne(type, name, { version, body });
    }
    if (variant === 'delta' && wrong.length === 0)
      // Envoy ignores the removal of a route configuration; a removed secret or assignment ends the wait for it.
      for (const name of message.removed) if (type !== routes && mux.wants(type, name)) takeOne(type, name, undefined);
    settle(new Set());
    return wrong;
  }

  function isHeld(type: TypeUrl, name: string): boolean {
    if (type === secret) return secrets.get(name) !== undefined;
    if (type === routes) return routeTables.get(name) !== undefined;
    return [...made(clusters)].some(({ body, endpoints: its }) => body.eds === name && its !== undefined);
  }

  /** The cluster, or what it needs, was refused and there is no last good one. */
  function isRefused(name: string): boolean {
    const key = `${cluster} ${name}`;
    if (refused.has(key) || (everRefused.has(name) && !clusters.has(name))) return true;
    const { active, warming } = clusters.get(name) ?? {};
    return [active, warming].some(
      (one) =>
        one !== undefined &&
        (one.bereft || refused.has(`${endpoints} ${one.body.eds}`) || refused.has(`${secret} ${one.body.secret}`)),
    );
  }

  function receive(message: Message): void {
    const { type } = message;
    const whole = type === cluster || type === listener;
    if (variant === 'sotw' && !mux.watches(type)) {
      mux.ignore(message);
      return;
    }
    const wrong = whole ? takeWhole(type, message) : takeNamed(type, message);
    const quoted = { bad: wrong.join(' '), all: [...message.resources.keys()].join(' '), none: '' }[habits.quotes];
    mux.answer(message, wrong.length === 0 ? undefined : { code: 13, message: `no! ${quoted}` });
  }

  function* trafficOf(): Iterable<{ path: string; target: string; key: string }> {
    for (const [name, { active }] of listeners) {
      if (active === undefined || orphans.has(`${shortNames[listener]} ${name}`)) continue;
      for (const target of active.body.clusters ?? []) yield { path: name, target, key: `${name} ${target}` };
      const route = active.body.route ?? '';
      for (const target of routeTables.get(route)?.body.clusters ?? [])
        yield { path: `${name}/${route}`, target, key: `${route} ${target}` };
    }
  }

  return {
    toggle() {
      // An Envoy has listeners, not channels.
    },
    receive,
    next: () => mux.next(),
    repeat: (type) => mux.repeat(type),
    orphans: () => orphans,
    tookLoss() {
      const took = deniedNeeds || (variant === 'sotw' && deniedOwn);
      deniedNeeds = false;
      deniedOwn = false;
      return took;
    },
    reconnect(reconnectHabits) {
      orphans.clear();
      own.clear();
      deniedOwn = false;
      deniedNeeds = false;
      for (const name of populated) own.add(`${endpoints} ${name}`);
      for (const name of secrets.keys()) own.add(`${secret} ${name}`);
      for (const [type, slots] of [
        [cluster, clusters],
        [listener, listeners],
      ] as const)
        for (const name of slots.keys()) {
          own.add(`${type} ${name}`);
          if (!mux.remembers(type, name)) orphans.add(`${shortNames[type]} ${name}`);
        }
      for (const key of partial) orphans.add(key);
      mux.reconnect(reconnectHabits);
    },
    waitsFor() {
      const found: string[] = [];
      for (const [slots, child, of] of [
        [clusters, endpoints, 'eds'],
        [listeners, routes, 'route'],
      ] as const)
        for (const { warming } of slots.values()) {
          if (warming === undefined) continue;
          if (warming.waits) found.push(`${child} ${warming.body[of]}`);
          for (const name of warming.secrets) found.push(`${secret} ${name}`);
        }
      return found;
    },
    expire() {
      clustersCame = true;
      for (const one of [...made(clusters), ...made(listeners)]) {
        one.waits = false;
        one.secrets.clear();
      }
      settle(new Set());
    },
    reopened() {
      const now = reopened;
      reopened = [];
      return now;
    },
    failures(exists, atRest) {
      const found: string[] = [];
      for (const { path, target, key } of trafficOf()) {
        const active = clusters.get(target)?.active;
        const failed =
          active === undefined
            ? 'no such cluster'
            : active.body.eds !== '' && active.endpoints === undefined
              ? 'no endpoints'
              : undefined;
        if (active !== undefined) revived.delete(target);
        if (failed === undefined) excused.delete(key);
        else if (revived.has(target) || orphans.has(`${shortNames[cluster]} ${target}`)) continue;
        else if (!excused.has(key) && !hopeless(active, exists, atRest)) found.push(`${path} -> ${target}: ${failed}`);
      }
      return found;
    },
    held() {
      const held = new Map<string, string>();
      const put = (type: TypeUrl, name: string, version: string | undefined): void => {
        if (version !== undefined) held.set(`${shortNames[type]} ${name}`, version);
      };
      for (const [name, { active }] of clusters) {
        put(cluster, name, active?.version);
        if (active?.body.eds) put(endpoints, `${active.body.eds} of ${name}`, active.endpoints);
      }
      for (const [name, { active }] of listeners) put(listener, name, active?.version);
      for (const [name, table] of routeTables) put(routes, name, table?.version);
      for (const [name, version] of secrets) put(secret, name, version);
      return held;
    },
    missing() {
      const missing: string[] = [];
      for (const [type, slots] of [
        [cluster, clusters],
        [listener, listeners],
      ] as const)
        for (const [name, { warming }] of slots) if (warming !== undefined) missing.push(`${shortNames[type]} ${name}`);
      return missing;
    },
  };

  /**
   * Endpoints that never came: refused without a last good one, or gone from the view before the client asked. Or refused or
   * missing as the cluster warmed: it serves without any until good ones come, which they must.
   */
  function hopeless(one: Made | undefined, exists: (type: TypeUrl, name: string) => boolean, atRest: boolean): boolean {
    const name = one?.body.eds ?? '';
    if (name === '') return false;
    if (refused.has(`${endpoints} ${name}`) || !(populated.has(name) || exists(endpoints, name))) return true;
    return !atRest && one?.bereft === true;
  }
}
