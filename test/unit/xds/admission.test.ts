// Streams are let in at a rate, in order, before anything of theirs is read.
import { expect, it } from 'vitest';
import { silentLogger } from '../../../src/util/log.ts';
import { type AdmissionOptions, createAdmission } from '../../../src/xds/admission.ts';
import { noHeaders } from '../../../src/xds/credentials.ts';
import type { Sink, StreamListener } from '../../../src/xds/sink.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

function rig(options: Partial<AdmissionOptions> = {}) {
  const clock = createFakeClock();
  let waiting = 0;
  let refused = 0;
  const admission = createAdmission(
    {
      ...{ clock, log: silentLogger },
      waiting: {
        set(_, value) {
          waiting = value;
        },
      },
      onRefused: () => void refused++,
    },
    { perSecond: 10, burst: 2, perTurn: 100, maxWaiting: 3, maxPerAddress: 0, ...options },
  );
  const opened: string[] = [];
  const told: string[] = [];
  const stream = (
    name: string,
    address = name,
    begin = (_: Sink): void => {},
  ): StreamListener & { readonly ends: string[]; paused(): boolean } => {
    let paused = false;
    const ends: string[] = [];
    const sink: Sink = {
      peer: { name: `${address}:1`, address, tls: false, certificate: () => undefined },
      credentials: noHeaders,
      write: () => {},
      end: (status, details) => void ends.push(`${status}: ${details}`),
      cut: () => {},
      pause() {
        paused = true;
      },
      resume() {
        paused = false;
      },
    };
    const listener = admission.admit(sink, () => {
      opened.push(name);
      begin(sink);
      return {
        incoming: (bytes) => void told.push(`${name} ${bytes}`),
        halfClosed: () => void told.push(`${name} half`),
        closed: (reason) => void told.push(`${name} ${reason}`),
      };
    });
    return { ...listener, ends, paused: () => paused };
  };
  return { clock, stream, opened, told, waiting: () => waiting, refused: () => refused };
}

it('lets a burst in at once, and the rest at the rate, in order', () => {
  const { clock, stream, opened, waiting } = rig();
  const all = ['a', 'b', 'c', 'd', 'e'].map((name) => stream(name));
  expect(opened).toEqual(['a', 'b']);
  expect(all.map(({ paused }) => paused())).toEqual([false, false, true, true, true]);
  expect(waiting()).toBe(3);
  clock.advance(99);
  expect(opened).toEqual(['a', 'b']);
  clock.advance(2);
  expect(opened).toEqual(['a', 'b', 'c']);
  expect(all[2]?.paused()).toBe(false);
  clock.advance(300);
  expect(opened).toEqual(['a', 'b', 'c', 'd', 'e']);
  expect(waiting()).toBe(0);
});

it('refuses what the queue does not hold', () => {
  const { stream, opened, refused } = rig();
  const all = Array.from({ length: 6 }, (_, index) => stream(`s${index}`));
  expect(all.map(({ ends }) => ends)).toEqual([
    ...Array.from({ length: 5 }, () => []),
    ['resource-exhausted: 3 streams wait to be opened, which is the limit; try again later'],
  ]);
  expect(refused()).toBe(1);
  expect(opened).toEqual(['s0', 's1']);
});

it('gives the others their turn after a few', () => {
  const { clock, stream, opened } = rig({ burst: 100, perSecond: 100, perTurn: 3, maxWaiting: 100 });
  for (let index = 0; index < 7; index++) stream(`s${index}`);
  expect(opened).toHaveLength(3);
  clock.advance(0);
  expect(opened.length).toBeGreaterThanOrEqual(6);
  clock.advance(0);
  expect(opened).toEqual(['s0', 's1', 's2', 's3', 's4', 's5', 's6']);
});

it('hands on in order what came while a stream waited', () => {
  const { clock, stream, told } = rig({ burst: 1 });
  stream('first');
  const second = stream('second');
  second.incoming(Buffer.from('1'));
  second.incoming(Buffer.from('2'));
  second.halfClosed();
  expect(told).toEqual([]);
  clock.advance(101);
  second.closed('gone');
  expect(told).toEqual(['second 1', 'second 2', 'second half', 'second gone']);
});

it('forgets who went away while waiting', () => {
  const { clock, stream, opened, told } = rig({ burst: 1, maxWaiting: 1 });
  stream('first');
  stream('second').closed('gone');
  stream('third');
  clock.advance(101);
  expect(opened).toEqual(['first', 'third']);
  expect(told).toEqual([]);
});

it('takes so many streams of one address, and more when some have ended', () => {
  const { stream, opened, refused } = rig({ burst: 100, maxPerAddress: 2 });
  const [one] = [stream('1', '10.0.0.1'), stream('2', '10.0.0.1')];
  expect(stream('3', '10.0.0.1').ends).toEqual(['resource-exhausted: 10.0.0.1 has 2 streams open, which is the limit']);
  stream('4', '10.0.0.2');
  one?.closed('done');
  stream('5', '10.0.0.1');
  expect(opened).toEqual(['1', '2', '4', '5']);
  expect(refused()).toBe(1);
});

it('leaves it to what is opened whether reading goes on', () => {
  const { clock, stream } = rig({ burst: 1 });
  void stream('a');
  const held = stream('b', 'b', (sink) => sink.pause());
  expect(held.paused()).toBe(true);
  clock.advance(200);
  expect(held.paused()).toBe(true);
});
