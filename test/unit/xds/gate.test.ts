// What a stream does while it is found out whose it is: nothing of it is taken, and what waits is bounded.
import { expect, it } from 'vitest';
import type { Caller } from '../../../src/model/principal.ts';
import { silentLogger } from '../../../src/util/log.ts';
import { createCallers } from '../../../src/xds/callers.ts';
import { createGate, type KnownSink } from '../../../src/xds/gate.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createKnownCallers, principal } from '../../support/known-callers.ts';
import { createFakeSink } from './services/fake-sink.ts';

function rig(answer: Promise<Caller> | Caller) {
  const clock = createFakeClock();
  const provider = createKnownCallers({ tokens: { t: () => answer } });
  const callers = createCallers({ clock, log: silentLogger, provider });
  if (callers === undefined) throw new Error('nobody is asked');
  callers.listen();
  const causes: string[] = [];
  const gate = createGate({
    ...{ clock, log: silentLogger, callers, patienceMs: 1_000 },
    onTurnedAway: (cause) => causes.push(cause),
  });
  const sink = { ...createFakeSink(), credentials: { authorization: ['Bearer t'], consulToken: [] } };
  const told: string[] = [];
  const known: KnownSink[] = [];
  const open = (given: KnownSink) => {
    known.push(given);
    return {
      incoming: (bytes: Buffer) => void told.push(`in ${bytes}`),
      halfClosed: () => void told.push('half'),
      closed: (reason: string) => void told.push(`closed ${reason}`),
      expelled: ({ cause }: { readonly cause: string }) => void told.push(`expelled ${cause}`),
    };
  };
  return { clock, provider, gate, sink, told, known, causes, open };
}

it('opens at once where the answer is there, without stopping to read', () => {
  const { gate, sink, told, known, open } = rig(principal('a'));
  const listener = gate.admit(sink, open);
  expect(known.map((one) => one.principal.id)).toEqual(['spiffe://test/svc/a']);
  listener.incoming(Buffer.from('1'));
  listener.halfClosed();
  listener.closed('gone');
  expect(told).toEqual(['in 1', 'half', 'closed gone']);
  expect(sink.said).toEqual([]);
});

it('T1: gives nothing on before the answer, and then all of it in order', async () => {
  const answer = Promise.withResolvers<Caller>();
  const { clock, gate, sink, told, open } = rig(answer.promise);
  const listener = gate.admit(sink, open);
  listener.incoming(Buffer.from('1'));
  listener.incoming(Buffer.from('2'));
  listener.halfClosed();
  await clock.settle();
  expect([told, sink.said]).toEqual([[], ['pause']]);
  answer.resolve(principal('a'));
  await clock.settle();
  expect(told).toEqual(['in 1', 'in 2', 'half']);
  expect(sink.said).toEqual(['pause', 'resume']);
  listener.incoming(Buffer.from('3'));
  expect(told.at(-1)).toBe('in 3');
  expect(clock.pending()).toBe(1);
  listener.closed('gone');
  expect(clock.pending()).toBe(0);
});

it.each(['unauthenticated', 'permission-denied', 'unavailable'] as const)(
  'a refusal ends the stream with %s, nothing written and nothing taken',
  async (refused) => {
    const answer = Promise.withResolvers<Caller>();
    const { clock, gate, sink, known, causes, open } = rig(answer.promise);
    const listener = gate.admit(sink, open);
    listener.incoming(Buffer.from('1'));
    answer.resolve({ refused, message: 'no', cause: 'expired' });
    await clock.settle();
    listener.incoming(Buffer.from('2'));
    expect([known.length, sink.messages.length]).toEqual([0, 0]);
    expect(sink.said).toEqual(['pause', `end ${refused}`]);
    expect(causes).toEqual(['unauthenticated']);
  },
);

it('bounds what waits, and for how long', async () => {
  const never = new Promise<Caller>(() => {});
  const many = rig(never);
  const listener = many.gate.admit(many.sink, many.open);
  for (let at = 0; at < 64; at++) listener.incoming(Buffer.from('x'));
  expect(many.causes).toEqual([]);
  listener.incoming(Buffer.from('x'));
  listener.incoming(Buffer.from('x'));
  expect(many.sink.said).toEqual(['pause', 'end resource-exhausted']);
  expect(many.causes).toEqual(['over-limit']);
  expect(many.clock.pending()).toBe(0);

  const large = rig(never);
  large.gate.admit(large.sink, large.open).incoming(Buffer.alloc(16 * 1024 * 1024 + 1));
  expect(large.sink.said).toEqual(['pause', 'end resource-exhausted']);

  const late = rig(never);
  late.gate.admit(late.sink, late.open);
  late.clock.advance(1_000);
  expect(late.sink.said).toEqual(['pause', 'end unavailable']);
});

it('a caller that comes too late, or whose stream is gone, leaves nothing behind', async () => {
  const answer = Promise.withResolvers<Caller>();
  const { clock, provider, gate, sink, known, told, open } = rig(answer.promise);
  gate.admit(sink, open).closed('gone');
  answer.resolve(principal('a'));
  await clock.settle();
  provider.revoke('jti-a');
  expect([known.length, told.length, clock.pending()]).toEqual([0, 0, 0]);
});

it('T15: tells what it serves that it is over, or ends it', async () => {
  const one = rig(principal('a'));
  one.gate.admit(one.sink, one.open);
  one.provider.revoke('jti-a');
  expect(one.told).toEqual(['expelled revoked']);
  const other = rig(principal('a'));
  other.gate.admit(other.sink, () => ({ incoming() {}, halfClosed() {}, closed() {} }));
  other.provider.revoke('jti-a');
  expect(other.sink.said).toEqual(['end unauthenticated']);
});

it('stops with those that wait', () => {
  const { gate, sink, causes, open } = rig(new Promise<Caller>(() => {}));
  gate.admit(sink, open);
  gate.stop();
  gate.admit(sink, open);
  expect(sink.said).toEqual(['pause', 'end unavailable', 'end unavailable']);
  expect(causes).toEqual(['stopping', 'stopping']);
});
