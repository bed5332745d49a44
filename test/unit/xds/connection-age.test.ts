// Old connections end one by one, those of an old credential too, and a stream that was never answered is left alone for a while.
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { Principal } from '../../../src/model/principal.ts';
import { createSeededRandom } from '../../../src/util/random.ts';
import { createConnectionAge } from '../../../src/xds/grpc/connection-age.ts';
import type { Connection } from '../../../src/xds/grpc/transport.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { principal } from '../../support/known-callers.ts';

const ageMs = 100_000;

function rig(age = ageMs) {
  const clock = createFakeClock();
  const retired: [name: string, atMs: number][] = [];
  const transport = {
    ...{ accept() {}, drain() {}, destroy() {} },
    retire: ({ peer }: Connection) => void retired.push([peer.name, clock.now()]),
  };
  const ages = createConnectionAge({ clock, random: createSeededRandom(1), transport: () => transport }, age);
  const connection = (name: string): Connection => {
    const opened = {
      peer: { name, address: name, tls: false, certificate: () => undefined },
      socket: new EventEmitter() as Socket,
    };
    ages.watch(opened);
    return opened;
  };
  const stream = ({ peer }: Connection, answered: boolean, whose?: Principal) => {
    const ends: number[] = [];
    const leave = ages.join(peer, { answered: () => answered, stop: () => void ends.push(clock.now()) }, whose);
    return { ends, leave };
  };
  return { clock, ages, retired, connection, stream };
}

it('retires connections within a tenth of the age, not together, and their streams within a second', () => {
  const { clock, retired, connection, stream } = rig();
  const all = Array.from({ length: 50 }, (_, index) => connection(`c${index}`)).map((one) => stream(one, true));
  clock.advance(ageMs * 0.9 - 1);
  expect(retired).toEqual([]);
  clock.advance(ageMs * 0.2 + 1_001);
  expect(new Set(retired.map(([, atMs]) => atMs)).size).toBe(50);
  for (const [name, atMs] of retired) {
    const [end = 0, ...more] = all[Number(name.slice(1))]?.ends ?? [];
    expect(more).toEqual([]);
    expect(end - atMs).toBeGreaterThanOrEqual(0);
    expect(end - atMs).toBeLessThan(1_000);
  }
});

it('leaves a stream that was not answered, but not for ever', () => {
  const { clock, connection, stream } = rig();
  const silent = stream(connection('a'), false);
  clock.advance(ageMs * 0.9 + 59_000);
  expect(silent.ends).toEqual([]);
  clock.advance(ageMs * 0.2 + 63_000);
  expect(silent.ends).toHaveLength(1);
});

it('forgets streams that ended and connections that closed', () => {
  const { clock, retired, connection, stream } = rig();
  const gone = connection('gone');
  gone.socket.emit('close');
  const ended = stream(connection('stays'), true);
  ended.leave();
  clock.advance(ageMs * 2);
  expect(retired.map(([name]) => name)).toEqual(['stays']);
  expect(ended.ends).toEqual([]);
  expect(clock.pending()).toBe(0);
});

it('does nothing without an age', () => {
  const { clock, connection, stream } = rig(0);
  stream(connection('a'), true);
  expect(clock.pending()).toBe(0);
});

describe('a credential of which half was renewed', () => {
  const day = 86_400_000;
  const life = 30 * day;
  const of = (clock: { wall(): number }, ageMs: number) => {
    const issuedAtMs = clock.wall() - ageMs;
    return principal('a', { issuedAtMs, notAfterMs: issuedAtMs + life });
  };

  it('is asked for anew before it is told of at a quarter, by each node at a time of its own', () => {
    const { clock, retired, connection, stream } = rig(0);
    for (let at = 0; at < 20; at++) {
      const { ends, leave } = stream(connection(`c${at}`), true, of(clock, 0));
      clock.advance(0.7 * life - 1);
      expect(retired).toHaveLength(at);
      clock.advance(0.04 * life + 1_001);
      expect(retired).toHaveLength(at + 1);
      expect(ends).toHaveLength(1);
      leave();
    }
    expect(clock.pending()).toBe(0);
  });

  it('is looked for hourly from then on', () => {
    const { clock, retired, connection, stream } = rig(0);
    stream(connection('late'), true, of(clock, 0.8 * life));
    clock.advance(3_600_000 - 1);
    expect(retired).toEqual([]);
    clock.advance(1);
    expect(retired).toHaveLength(1);
  });

  it('of which the life is not known ends nothing', () => {
    const { clock, connection, stream } = rig(0);
    stream(connection('a'), true, principal('a'));
    expect(clock.pending()).toBe(0);
  });

  it('is shown on another connection once this one is of no use', () => {
    const { ages, retired, connection } = rig(0);
    ages.over(connection('a').peer);
    expect(retired.map(([name]) => name)).toEqual(['a']);
  });
});
