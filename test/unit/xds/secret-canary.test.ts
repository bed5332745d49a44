// T1: bytes of a key are only ever written to streams of who owns it, whatever is asked for, however often streams come back,
// and whatever messages lie ready for others. Sessions as the server makes them, over sinks that keep every byte.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Resource } from '../../../src/resources/resource.ts';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import { silentLogger } from '../../../src/util/log.ts';
import { createCallers } from '../../../src/xds/callers.ts';
import type { Frame } from '../../../src/xds/frame.ts';
import { createGate } from '../../../src/xds/gate.ts';
import { streamMethods } from '../../../src/xds/methods.ts';
import { createNameLists } from '../../../src/xds/name-lists.ts';
import { createPump } from '../../../src/xds/pump.ts';
import { createMessages } from '../../../src/xds/responses.ts';
import { createSecretRule } from '../../../src/xds/secrets.ts';
import { createSession } from '../../../src/xds/session.ts';
import type { Sink } from '../../../src/xds/sink.ts';
import { createStalls } from '../../../src/xds/stalls.ts';
import { defaultLimits } from '../../../src/xds/stream-state.ts';
import { createWatchers } from '../../../src/xds/watchers.ts';
import { field } from '../../../src/xds/wire-writer.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createKnownCallers, principal } from '../../support/known-callers.ts';
import { propertyParameters } from '../../support/property-runs.ts';
import { createStaticViews, resource } from '../../support/static-views.ts';

const identities = ['cart', 'shop', 'edge'] as const;
type Identity = (typeof identities)[number];
/** Names that all ask for, and what each has under them is its own; one name each that the others do not have. */
const names = ['mesh:identity', 'tls:cart', 'tls:shop', 'tls:edge'];
const secret = typeUrls.secret;
const canary = /<key of (\w+), \w+ \d+>/g;

/** Identical names, other content: the listeners that name them are the same bytes for all. */
function contentOf(identity: Identity, turn: number): Resource[] {
  const key = (name: string): Resource =>
    resource(secret, name, { content: `<key of ${identity}, ${name.replace(':', '')} ${turn}>` });
  const deps = [{ type: secret, name: 'mesh:identity' }];
  return [key('mesh:identity'), key(`tls:${identity}`), resource(typeUrls.listener, 'in', { deps })];
}

interface Stream {
  readonly identity: Identity;
  readonly variant: 'sotw' | 'delta';
  readonly tls: boolean;
  readonly written: Buffer[];
  send(request: Request): void;
}

interface Request {
  readonly type?: string;
  readonly names?: readonly string[];
  readonly drop?: readonly string[];
  readonly version?: string;
  readonly nonce?: string;
  readonly error?: string;
}

function encode(variant: 'sotw' | 'delta', request: Request, node: Buffer | undefined): Buffer {
  const { type = secret, names = [], drop = [], version = '', nonce = '', error } = request;
  const status = error === undefined ? [] : [field(2, error)];
  const parts =
    variant === 'sotw'
      ? [
          ...(node === undefined ? [] : [field(2, node)]),
          ...[field(1, version), ...names.map((name) => field(3, name)), field(4, type), field(5, nonce)],
          ...(error === undefined ? [] : [field(6, status)]),
        ]
      : [
          ...(node === undefined ? [] : [field(1, node)]),
          ...[field(2, type), ...names.map((name) => field(3, name)), ...drop.map((name) => field(4, name))],
          ...(version === '' ? [] : names.map((name) => field(5, [field(1, name), field(2, version)]))),
          ...[field(6, nonce), ...(error === undefined ? [] : [field(7, status)])],
        ];
  return Buffer.concat(parts);
}

function createRig() {
  const clock = createFakeClock();
  const views = Object.fromEntries(
    identities.map((identity) => [
      principal(identity).id,
      createStaticViews(contentOf(identity, 0), `view of ${identity}`),
    ]),
  );
  const tokens = Object.fromEntries(identities.map((identity) => [identity, principal(identity)]));
  const provider = createKnownCallers({ tokens, views });
  const callers = createCallers({ clock, log: silentLogger, provider });
  if (callers === undefined) throw new Error('nobody is asked');
  const gate = createGate({ ...{ clock, log: silentLogger, callers, patienceMs: 1_000 }, onTurnedAway() {} });
  let denied = 0;
  const secrets = createSecretRule({ log: silentLogger, onDenied: () => denied++ });
  const shared = { nameLists: createNameLists(), pump: createPump(clock), watchers: createWatchers<never>() };
  const stalls = createStalls(clock, 1_000_000);
  let epoch = 0;
  let messages = createMessages('test', 'e0');
  let next = 1;

  function open(identity: Identity, variant: 'sotw' | 'delta', { aggregated, tls }: Kind): Stream {
    const type = aggregated ? undefined : secret;
    const method = streamMethods.find((one) => one.variant === variant && one.type === type);
    if (method === undefined) throw new Error('no method');
    const written: Buffer[] = [];
    const sink: Sink = {
      peer: { name: '127.0.0.1:1', address: '127.0.0.1', tls, certificate: () => undefined },
      credentials: { authorization: [`Bearer ${identity}`], consulToken: [] },
      write(frame: Frame, taken) {
        written.push(Buffer.from(frame.bytes));
        clock.after(1, taken);
      },
      ...{ end() {}, cut() {}, pause() {}, resume() {} },
    };
    const id = next++;
    const listener = gate.admit(sink, (known) =>
      createSession(
        {
          ...{ clock, log: silentLogger, provider, onEvent() {}, messages, secrets, stalls, ...shared },
          ...{ limits: defaultLimits, blockedMs: 1_000_000, openMs: 1_000_000 },
        },
        known,
        { id, method, onEnd() {} },
      ),
    );
    // Every node claims to be the cart.
    let node: Buffer | undefined = Buffer.concat([field(1, 'cart-1'), field(2, 'cart')]);
    return {
      ...{ identity, variant, tls, written },
      send(request) {
        listener.incoming(encode(variant, request, node));
        node = undefined;
        clock.advance(5);
      },
    };
  }

  return {
    open,
    denied: () => denied,
    /** Nothing lies ready any more. */
    chill(): void {
      messages = createMessages('test', `e${++epoch}`);
    },
    publish(identity: Identity, turn: number): void {
      views[principal(identity).id]?.publish(contentOf(identity, turn));
      clock.advance(5);
    },
  };
}

interface Kind {
  readonly aggregated: boolean;
  readonly tls: boolean;
}

function ownersIn(stream: Stream): string[] {
  const all = Buffer.concat(stream.written).toString('latin1');
  return [...all.matchAll(canary)].map(([, owner = '']) => owner);
}

const identity = fc.constantFrom(...identities);
const some = fc.subarray([...names, '*', ''], { minLength: 0 });
const command = fc.oneof(
  fc.record({
    do: fc.constant('open' as const),
    ...{ identity, variant: fc.constantFrom('sotw' as const, 'delta' as const) },
    kind: fc.record({
      aggregated: fc.boolean(),
      tls: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, fc.boolean()),
    }),
    /** What it brings along of an earlier stream. */
    ...{ names: some, version: fc.constantFrom('', 'stolen'), nonce: fc.constantFrom('', 'e0-1', 'e1-2') },
  }),
  fc.record({ do: fc.constant('ask' as const), stream: fc.nat(7), names: some, drop: some }),
  fc.record({ do: fc.constant('listeners' as const), stream: fc.nat(7) }),
  fc.record({
    do: fc.constant('answer' as const),
    stream: fc.nat(7),
    error: fc.option(fc.constant('no'), { nil: undefined }),
    names: some,
  }),
  fc.record({ do: fc.constant('publish' as const), identity, turn: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ do: fc.constant('chill' as const) }),
);

it('T1: keys go to their owners only, over TLS only, in any history of streams, questions and changes', () => {
  let keys = 0;
  fc.assert(
    fc.property(fc.array(command, { minLength: 5, maxLength: 40 }), (commands) => {
      const rig = createRig();
      const streams: Stream[] = [];
      for (const one of commands) {
        if (one.do === 'open') {
          const stream = rig.open(one.identity, one.variant, one.kind);
          streams.push(stream);
          stream.send({ names: one.names, version: one.version, nonce: one.nonce });
        } else if (one.do === 'publish') rig.publish(one.identity, one.turn);
        else if (one.do === 'chill') rig.chill();
        else {
          const stream = streams[one.stream % Math.max(1, streams.length)];
          if (stream === undefined) continue;
          if (one.do === 'ask') stream.send({ names: one.names, drop: one.drop });
          else if (one.do === 'listeners') stream.send({ type: typeUrls.listener, names: [] });
          else {
            const [nonce = ''] =
              stream.written
                .at(-1)
                ?.toString('latin1')
                .match(/e\d-\d+/) ?? [];
            stream.send({ nonce, names: one.names, ...(one.error === undefined ? {} : { error: one.error }) });
          }
        }
      }
      for (const stream of streams) {
        const owners = ownersIn(stream);
        keys += owners.length;
        if (!stream.tls) expect(owners).toEqual([]);
        expect(owners.filter((owner) => owner !== stream.identity)).toEqual([]);
      }
    }),
    propertyParameters(400),
  );
  // Whoever owns a key does get it.
  expect(keys).toBeGreaterThan(100);
});

it.each(
  (['sotw', 'delta'] as const).flatMap((variant) => [true, false].map((aggregated) => ({ variant, aggregated }))),
)('T1: every identity by every secret, cold, warm and come back: $variant, aggregated $aggregated', (one) => {
  const rig = createRig();
  for (const round of ['cold', 'warm', 'cold again']) {
    if (round === 'cold again') rig.chill();
    for (const each of identities)
      for (const name of names) {
        const stream = rig.open(each, one.variant, { aggregated: one.aggregated, tls: true });
        stream.send({ names: [name] });
        const owned = name === 'mesh:identity' || name === `tls:${each}`;
        expect([round, name, ownersIn(stream)]).toEqual([round, name, owned ? [each] : []]);
        // Asked for again on the same stream, with a change in between.
        rig.publish(each, round === 'warm' ? 1 : 2);
        expect(new Set(ownersIn(stream))).toEqual(new Set(owned ? [each] : []));
      }
  }
});

it('T1: without TLS there is no secret, and that is counted once for a stream', () => {
  const rig = createRig();
  for (const variant of ['sotw', 'delta'] as const) {
    const stream = rig.open('cart', variant, { aggregated: true, tls: false });
    stream.send({ type: typeUrls.listener });
    expect(stream.written).toHaveLength(1);
    expect(rig.denied()).toBe(variant === 'sotw' ? 0 : 1);
    stream.send({ names: ['mesh:identity'] });
    stream.send({ names: ['mesh:identity', 'tls:cart'] });
    rig.publish('cart', 3);
    expect(ownersIn(stream)).toEqual([]);
    expect(rig.denied()).toBe(variant === 'sotw' ? 1 : 2);
  }
});

it('T1: a wildcard covers no secret', () => {
  for (const variant of ['sotw', 'delta'] as const) {
    const stream = createRig().open('cart', variant, { aggregated: true, tls: true });
    stream.send({ names: ['*'] });
    expect(ownersIn(stream)).toEqual([]);
    stream.send({ names: ['*', 'tls:cart'] });
    expect(ownersIn(stream)).toEqual(['cart']);
  }
});
