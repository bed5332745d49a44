// Streams of people's tools: whose the token is, for as long as it holds.
import { expect, it } from 'vitest';
import type { Asker } from '../../../src/model/access.ts';
import type { Unknown } from '../../../src/model/principal.ts';
import { silentLogger } from '../../../src/util/log.ts';
import { createReaders } from '../../../src/xds/readers.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createFakeSink } from './services/fake-sink.ts';

const reader: Asker = { kind: 'role', role: 'reader', name: 'grafana' };
const away: Unknown = { refused: 'unavailable', message: 'not now', cause: 'unavailable' };

function rig(first: Asker | Unknown | Error, authorization: readonly string[] = ['Bearer t']) {
  const clock = createFakeClock();
  const world = { answer: first, asked: 0 };
  const readers = createReaders({
    ...{ clock, log: silentLogger, patienceMs: 1_000, onTurnedAway: () => {} },
    async askerOf() {
      world.asked++;
      if (world.answer instanceof Error) throw world.answer;
      return world.answer;
    },
  });
  const sink = { ...createFakeSink(), credentials: { authorization, consulToken: [] } };
  const opened: Asker[] = [];
  const told: string[] = [];
  const listener = readers.admit(sink, (asker) => {
    opened.push(asker);
    return { incoming: (bytes) => void told.push(`${bytes}`), halfClosed() {}, closed: (why) => void told.push(why) };
  });
  return { clock, world, sink, opened, told, listener, readers };
}

it('T11: tells who asks before anything of the stream is taken', async () => {
  const { clock, opened, told, listener } = rig(reader);
  listener.incoming(Buffer.from('1'));
  expect([opened, told]).toEqual([[], []]);
  await clock.settle();
  expect([opened, told]).toEqual([[reader], ['1']]);
});

it('T11: asks nobody about a stream without a token', () => {
  const { world, opened } = rig(reader, []);
  expect([opened, world.asked]).toEqual([[{ kind: 'nobody' }], 0]);
});

it('T11: refuses where it cannot be found out, and on a fault', async () => {
  for (const answer of [away, new Error('a secret')]) {
    const { clock, opened, sink } = rig(answer);
    await clock.settle();
    expect([opened, sink.said]).toEqual([[], ['pause', 'end unavailable']]);
  }
});

it('T11: ends the stream soon after its token was revoked, and not while that cannot be found out', async () => {
  const { clock, world, sink } = rig(reader);
  await clock.settle();
  world.answer = away;
  await clock.advanceAsync(20_000);
  expect(sink.said).toEqual(['pause', 'resume']);
  world.answer = { kind: 'nobody' };
  await clock.advanceAsync(5_000);
  expect(sink.said).toEqual(['pause', 'resume', 'end unauthenticated']);
});

it('asks no more of a stream that is over', async () => {
  const { clock, world, listener } = rig(reader);
  await clock.settle();
  listener.closed('gone');
  await clock.advanceAsync(60_000);
  expect(world.asked).toBe(1);
});
