// Plays commands on a model client, its connection and the meshes of two replicas, and judges: every message as it is sent,
// traffic after every message taken, the end when nothing moves any more.
// Invariant: equal commands give equal plays; whatever breaks throws with the timeline.
import fc from 'fast-check';
import type { Resource } from '../../../src/resources/resource.ts';
import { shortNames, type TypeUrl, typeUrls } from '../../../src/resources/type-urls.ts';
import { createMessages, type Messages } from '../../../src/xds/responses.ts';
import { differences, viewOf } from '../../support/static-views.ts';
import { type Connection, createConnection } from './connection.ts';
import type { ModelClient } from './envoy-client.ts';
import {
  bad,
  bodyOf,
  bodyText,
  type Edit,
  edit,
  edited,
  firstMesh,
  type Mesh,
  mended,
  meshTypes,
  resourcesOf,
} from './mesh.ts';

export type Command =
  | { readonly do: 'publish'; readonly edits: readonly Edit[]; readonly drain: boolean }
  | { readonly do: 'move'; readonly steps: readonly number[] }
  | { readonly do: 'settle' }
  | { readonly do: 'undo' }
  | { readonly do: 'expire' }
  | { readonly do: 'limit'; readonly which: number }
  | { readonly do: 'block'; readonly blocked: boolean }
  | { readonly do: 'repeat'; readonly type: TypeUrl }
  | { readonly do: 'toggle'; readonly channel: string }
  | {
      readonly do: 'reconnect';
      readonly other: boolean;
      readonly older: boolean;
      readonly rotate: number;
      readonly keepNonce: boolean;
    };

export const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('publish' as const),
      edits: fc.array(edit, { minLength: 1, maxLength: 4 }),
      drain: fc.boolean(),
    }),
  },
  // 0: the client's next request sets off; 1: the server takes one; 2: the client takes a message; 3: the server sends.
  {
    weight: 16,
    arbitrary: fc.record({ do: fc.constant('move' as const), steps: fc.array(fc.nat(3), { maxLength: 10 }) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('settle' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('undo' as const, 'undo' as const, 'expire' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('limit' as const), which: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('block' as const), blocked: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('toggle' as const), channel: fc.constantFrom('in', 'out') }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('repeat' as const), type: fc.constantFrom(...meshTypes) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('reconnect' as const),
      other: fc.boolean(),
      older: fc.boolean(),
      rotate: fc.nat(4),
      keepNonce: fc.boolean(),
    }),
  },
);

export interface PlayOptions {
  readonly variant: 'sotw' | 'delta';
  readonly aggregated: boolean;
  readonly legacyWildcard: boolean;
  readonly client: ModelClient;
  /** The client says which resource it refuses. */
  readonly exact: boolean;
  /** The resources of a mesh for such a client. */
  readonly make?: (mesh: Mesh) => Resource[];
  /** What the client is to hold in the end. */
  readonly expected: (resources: readonly Resource[]) => ReadonlyMap<string, string>;
}

export interface Played {
  /** It has what no server can know of. */
  readonly strays: boolean;
  readonly held: ReadonlyMap<string, string>;
  readonly messages: number;
  /** Requests routed, and commands in whose course a time limit made losses possible. */
  readonly judged: number;
}

const stepsWithoutEnd = 5_000;

export function play(options: PlayOptions, commands: readonly Command[]): Played {
  const timeline: string[] = [];
  try {
    return playOn(options, commands, (line) => timeline.push(line));
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new Error(`${text}\n${timeline.slice(-150).join('\n')}`, { cause: error });
  }
}

function playOn(options: PlayOptions, commands: readonly Command[], trace: (line: string) => void): Played {
  const { variant, client, make = resourcesOf } = options;
  let mesh: Mesh = firstMesh;
  let former: Mesh = firstMesh;
  let resources = make(mesh);
  const replicas: Messages[] = [createMessages('test', 'one'), createMessages('test', 'two')];
  let replica = 0;
  let connection: Connection = connect();
  /** A time limit expired, or the protocol gave no way, since everything was last settled. */
  let lossAllowed = false;
  /** SotW: types whose resources the client came with the server has not heard of yet. */
  const unknown = new Set<TypeUrl>();
  /** What it waited for when it came back: whoever lacks it by then must say so, and what warms goes without (R40). */
  let awaited: readonly string[] = [];
  let returned = false;
  /**
   * It came back with what a refused response left, and tells the versions from before (R14): no server can know what it
   * has, and what is left to see is that nothing goes on for ever.
   */
  let misleads = false;
  /** The connection takes nothing from the server. */
  let blocked = false;
  let judged = 0;
  let budget = 20;
  let messages = 0;

  function connect(): Connection {
    const one = replicas[replica];
    if (one === undefined) throw new Error('no such replica');
    return createConnection({ ...options, view: viewOf(resources), messages: one, trace });
  }

  function publish(next: Mesh, drain: boolean): void {
    former = mesh;
    mesh = next;
    const made = make(mesh);
    const changed = differences(resources, made);
    const texts = made.filter((item) => changed.some(({ type, name }) => type === item.type && name === item.name));
    trace(
      `publish ${texts.map((item) => `${shortNames[item.type]} ${bodyText(item)}`).join(', ')}, ${changed.length} changed`,
    );
    resources = made;
    // Each changed resource: once itself, its children again, and while one is refused the halves of its message.
    budget += 12 * changed.length;
    allowUnknown();
    client.published?.((type, name) => exists(`${type} ${name}`));
    connection.publish(viewOf(made), changed);
    if (drain) connection.drain();
  }

  function exists(key: string): boolean {
    return resources.some((item) => `${item.type} ${item.name}` === key);
  }

  function judge(atRest = false): void {
    if (client.tookLoss()) lossAllowed = true;
    if (lossAllowed || misleads || !options.aggregated) return;
    judged++;
    const failures = client.failures((type, name) => exists(`${type} ${name}`), atRest);
    if (failures.length > 0) throw new Error(`requests fail: ${failures.join('; ')}`);
  }

  function move(kind: number): boolean {
    if (kind === 0) {
      const request = client.next();
      if (request === undefined) return false;
      if (request.variant === 'sotw' ? request.error === undefined : request.nonce === '') budget += 4;
      if (request.error !== undefined) budget += 4;
      connection.send(request);
      return true;
    }
    if (kind === 1) {
      const served = connection.serve();
      // A set under a wildcard is known by its version as soon as it is asked for, unless what differs could not be sent, or
      // will be refused; named clusters are known when they were answered.
      if (options.legacyWildcard && !blocked && !isPoisoned() && connection.asked(typeUrls.cluster))
        unknown.delete(typeUrls.cluster);
      return served;
    }
    if (kind === 2) {
      const message = connection.receive();
      if (message === undefined) return false;
      client.receive(message);
      if (!isPoisoned()) unknown.delete(message.type);
      for (const type of client.reopened()) connection.restart(type);
      if (client.prompt === true) askNow();
      judge();
      return true;
    }
    const before = connection.sent();
    connection.drain();
    return connection.sent() > before;
  }

  /** gRPC libraries ask at once: in SotW a name dropped and added between two requests would go unnoticed. */
  function askNow(): void {
    for (let asked = true; asked; ) asked = move(0);
  }

  function block(now: boolean): void {
    blocked = now;
    connection.block(now);
  }

  /** Everything moves until nothing does, without any time limit. */
  function rest(): void {
    block(false);
    let steps = 0;
    for (let moved = true; moved; ) {
      moved = false;
      for (const kind of [3, 2, 0, 1])
        while (move(kind)) {
          moved = true;
          if (++steps > stepsWithoutEnd) throw new Error('messages without end');
        }
    }
  }

  /** Rests; what only a time limit ends is ended by it. Then the client must have everything good. */
  function settle(): void {
    rest();
    for (let round = 0; round < 5 && client.waitsFor().some((key) => !exists(key) || isBad(key)); round++) {
      const unanswered = client.waitsFor().filter((key) => key.startsWith(typeUrls.endpoints) && !exists(key));
      // R40: endpoints of a cluster that is not there are answered at once, or the client never gets warm.
      if (options.aggregated && !returned && unanswered.length > 0)
        throw new Error(`${unanswered.join()}: asked for and never answered`);
      // What it waits for has gone from the view, and in SotW nothing can tell it so, or it refused it: its own time limit
      // ends the wait (R26).
      trace('the client waits no longer');
      lossAllowed = true;
      client.expire();
      rest();
    }
    if (lossAllowed) {
      // A loss before may have left the server waiting for what never comes.
      for (let round = 0; round < 20 && connection.timers().length > 0; round++) {
        for (const timer of connection.timers()) connection.fire(timer);
        rest();
      }
    }
    if (!options.aggregated)
      for (let round = 0; round < 5; round++) {
        for (const timer of connection.timers()) connection.fire(timer);
        rest();
      }
    const poisoned = isPoisoned();
    for (let round = 0; round < 4 && poisoned && connection.timers().join() === 'break'; round++) {
      // What a rejected branch still needs is kept without limit: the end of the limit must change nothing for it.
      connection.fire('break');
      rest();
    }
    if (misleads) return;
    if (connection.timers().length > 0) throw new Error(`only time ends ${connection.timers().join()}`);
    compare();
    awaited = [];
    // What was lost while something is refused may stay lost until it is mended.
    if (!isPoisoned()) lossAllowed = false;
    judge(true);
  }

  /** Good content that hangs on nothing refused is held; nothing refused is. */
  function compare(): void {
    const wanted = options.expected(resources);
    const held = client.held();
    const poisoned = isPoisoned();
    for (const [key, version] of wanted) {
      if (held.get(key) === version || mayStray(key)) continue;
      if (poisoned && mayLag(key)) continue;
      throw new Error(`${key}: the client has ${held.get(key) ?? 'nothing'}, not ${version}`);
    }
    if (poisoned) return;
    for (const key of held.keys()) if (!wanted.has(key) && !mayStray(key)) throw new Error(`${key} was not taken away`);
    const missing = client.missing();
    if (missing.length > 0) throw new Error(`never warm: ${missing.join()}`);
  }

  /** What no server can know of, and what is subscribed for its sake. */
  function mayStray(key: string): boolean {
    const orphans = client.orphans();
    return orphans.has(key) || (orphans.size > 0 && !/^(?:CDS|LDS) /.test(key));
  }

  /** Routes and listeners hang on clusters, clusters on endpoints and secrets: with poison about, only leaves are sure. */
  function mayLag(key: string): boolean {
    const [short, itsName] = key.split(' ');
    const itself = resources.find((item) => shortNames[item.type] === short && item.name === itsName);
    if (itself === undefined) return true;
    if (bodyOf(itself).content === bad) return true;
    return !(short === 'CDS' && itself.deps.every(({ type, name }) => !isBad(`${type} ${name}`)));
  }
  function isPoisoned(): boolean {
    return resources.some((item) => bodyOf(item).content === bad);
  }

  function isBad(key: string): boolean {
    const found = resources.find((item) => `${item.type} ${item.name}` === key);
    return found !== undefined && bodyOf(found).content === bad;
  }

  function reconnect(next: Extract<Command, { do: 'reconnect' }>): void {
    messages += connection.sent();
    if (next.other) replica = 1 - replica;
    if (next.older) {
      mesh = former;
      resources = make(mesh);
    }
    budget += 6 * resources.length + 20;
    trace(`reconnect to replica ${replica}${next.older ? ', an older view' : ''}`);
    client.published?.((type, name) => exists(`${type} ${name}`));
    connection = connect();
    blocked = false;
    client.reconnect(next);
    misleads ||= client.orphans().size > 0;
    returned = true;
    awaited = client.waitsFor();
    if (variant === 'sotw') for (const type of [typeUrls.cluster, typeUrls.endpoints]) unknown.add(type);
    allowUnknown();
  }

  /**
   * R45: a SotW client cannot name the clusters it comes with; those the view lacks by then go at once. R40: endpoints it
   * asks for that the view lacks by then are answered as empty.
   */
  function allowUnknown(): void {
    if (awaited.some((key) => !exists(key))) lossAllowed = true;
    for (const key of client.held().keys()) {
      const [short, name = ''] = key.split(' ');
      const type = [...unknown].find((one) => shortNames[one] === short);
      if (type !== undefined && !exists(`${type} ${name}`)) lossAllowed = true;
    }
  }

  for (const next of commands) {
    if (next.do === 'publish') publish(edited(mesh, next.edits), next.drain);
    else if (next.do === 'undo') publish(former, true);
    else if (next.do === 'move') for (const kind of next.steps) move(kind);
    else if (next.do === 'settle') settle();
    else if (next.do === 'block') block(next.blocked);
    else if (next.do === 'repeat') client.repeat(next.type);
    else if (next.do === 'toggle') {
      client.toggle(next.channel);
      if (client.prompt === true) askNow();
    } else if (next.do === 'expire') {
      trace('the client waits no longer');
      lossAllowed = true;
      client.expire();
    } else if (next.do === 'limit') {
      const timers = connection.timers();
      const timer = timers[next.which % timers.length];
      // R16: in SotW two sets are answered by one refusal then; without a name the wrong one may be blamed.
      if (timer === undefined || (variant === 'sotw' && !options.exact && timer !== 'make' && timer !== 'break'))
        continue;
      lossAllowed = true;
      budget += 10;
      connection.fire(timer);
    } else reconnect(next);
  }
  settle();
  publish(mended(mesh), true);
  settle();
  messages += connection.sent();
  if (messages > budget) throw new Error(`${messages} messages, expected at most ${budget}`);
  const before = connection.sent();
  for (const type of meshTypes) client.repeat(type);
  rest();
  if (connection.sent() !== before) throw new Error('a request that says nothing new was answered');
  return { held: client.held(), messages, judged, strays: misleads || client.orphans().size > 0 };
}
