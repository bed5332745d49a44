// A rotation carried out by two replicas with real certificates, one of which ends at every single thing it does.
import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createAuthority } from '../../../src/ca/authority.ts';
import type { Authority, Leaf } from '../../../src/ca/contract.ts';
import type { RotationRecord } from '../../../src/ca/rotation.ts';
import { createRotation, type Rotation, type RotationJournal } from '../../../src/ca/rotation-driver.ts';
import { silentLogger } from '../../../src/util/log.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createRootsInMemory, type Kept } from '../../support/roots-in-memory.ts';
import { startSignerHere } from '../../support/signer-here.ts';

const minute = 60_000;
const leafLifeMs = 5 * minute;
const random = (): number => 0.5;

interface Replica {
  readonly authority: Authority;
  readonly rotation: Rotation;
  readonly stopping: AbortController;
}

async function createWorld() {
  const clock = createFakeClock();
  const keys = new Map<string, Kept>();
  const firstKey = createRootsInMemory(clock, { keys }).add('first');
  const slots = new Map([[1, firstKey]]);
  const reports = new Map<string, number>();
  let written: { readonly text: string; readonly revision: string } | undefined;
  let revision = 0;
  let unconfirmed = 0;
  const replicas = new Map<string, Replica>();
  const leaves: Leaf[] = [];
  const journal: RotationJournal = {
    async load() {
      return written && { record: JSON.parse(written.text), revision: written.revision };
    },
    async save(record, expect) {
      if ((expect === 'absent' ? undefined : expect.revision) !== written?.revision) return false;
      written = { text: JSON.stringify(record), revision: String(++revision) };
      return true;
    },
  };

  /** Ends before its `endAt`-th act. */
  async function start(name: string, endAt = Number.POSITIVE_INFINITY) {
    const provider = createRootsInMemory(clock, { keys });
    const stopping = new AbortController();
    let acts = 0;
    async function act<T>(work: () => Promise<T>): Promise<T> {
      if (acts++ < endAt && !stopping.signal.aborted) return work();
      stopping.abort();
      reports.delete(name);
      replicas.delete(name);
      throw new Error('it ended');
    }
    const authority = createAuthority(
      { clock, random, log: silentLogger, provider, start: startSignerHere },
      { trustDomain: 'example.org', leafLifeMs },
    );
    const rotation = createRotation(
      {
        ...{ clock, random, log: silentLogger },
        journal: {
          load: () => act(journal.load),
          save: (record, expected) => act(() => journal.save(record, expected)),
        },
        roots: {
          prepare: (slot) =>
            act(async () => {
              const made = slots.get(slot) ?? createRootsInMemory(clock, { keys }).add('last');
              slots.set(slot, made);
              return made;
            }),
          use: (bundle) =>
            act(async () => {
              provider.keep(...bundle);
              if (replicas.has(name)) return authority.refresh();
              await authority.open();
              replicas.set(name, { authority, rotation, stopping });
            }),
          retire: (keyId) => act(async () => void keys.delete(keyId)),
        },
        fleet: {
          join: () => act(async () => void reports.set(name, -1)),
          report: (epoch) => act(async () => void reports.set(name, epoch)),
          behind: (epoch) => act(async () => [...reports.values()].filter((at) => at !== epoch).length),
          unconfirmed: () => act(async () => unconfirmed),
        },
      },
      {
        ...{ first: { keyId: firstKey, slot: 1 }, lookEveryMs: minute },
        ...{ soakMs: leafLifeMs, longestLifeMs: leafLifeMs },
      },
    );
    const running = rotation.run(stopping.signal);
    await clock.settle();
    return { rotation, stopping, running };
  }

  /** Everybody gets a leaf, and everybody trusts everybody's that has not ended. */
  async function oneMinute(): Promise<void> {
    await clock.advanceAsync(minute);
    for (const { authority } of replicas.values())
      leaves.push(await authority.issue({ spiffeId: 'spiffe://example.org/svc/web', seed: '', urgency: 'routine' }));
    for (const { authority } of replicas.values()) {
      const trusted = authority.roots().roots.map(({ certificate }) => new X509Certificate(certificate));
      for (const { chain, notAfterMs } of leaves.filter((leaf) => leaf.notAfterMs > clock.wall())) {
        const intermediate = new X509Certificate(chain[1] ?? new Uint8Array());
        const root = trusted.find((candidate) => intermediate.checkIssued(candidate));
        expect(root?.publicKey && intermediate.verify(root.publicKey), `until ${notAfterMs}`).toBe(true);
      }
    }
  }

  const record = (): RotationRecord | undefined => written && JSON.parse(written.text);
  async function untilSteady(): Promise<RotationRecord | undefined> {
    for (let turn = 0; turn < 60; turn++) {
      await oneMinute();
      if (record()?.phase === 'steady') return record();
    }
    throw new Error(`the rotation stands still: ${written?.text}`);
  }
  function stop(): void {
    for (const { stopping } of replicas.values()) stopping.abort();
  }
  return {
    ...{ clock, keys, slots, start, oneMinute, untilSteady, record, stop, firstKey },
    hold: (count: number) => {
      unconfirmed = count;
    },
  };
}

describe('two replicas', () => {
  it('rotate twice, and no leaf is ever refused', async () => {
    const world = await createWorld();
    const { rotation } = await world.start('one');
    await world.start('two');
    for (const slot of [2, 3]) {
      expect(await rotation.begin()).toBe(true);
      expect(await rotation.begin()).toBe(false);
      expect(await world.untilSteady()).toMatchObject({ root: world.slots.get(slot), slot });
      await world.oneMinute();
      expect([...world.keys.keys()]).toEqual([world.slots.get(slot)]);
    }
    expect(rotation.state()).toMatchObject({ record: { phase: 'steady' }, advance: { for: 'nothing' } });
    world.stop();
  });

  it('end a rotation though one of them ends before anything that it does', { timeout: 60_000 }, async () => {
    const endedIn = new Set<string | undefined>();
    let ended = true;
    for (let endAt = 0; ended; endAt++) {
      const world = await createWorld();
      const one = await world.start('one', endAt);
      const two = await world.start('two');
      if (!(await one.rotation.begin().catch(() => false))) await two.rotation.begin();
      one.stopping.signal.addEventListener('abort', () => endedIn.add(world.record()?.phase));
      expect(await world.untilSteady(), `act ${endAt}`).toMatchObject({ root: world.slots.get(2), slot: 2 });
      ended = one.stopping.signal.aborted;
      await world.oneMinute();
      expect([...world.keys.keys()]).toEqual([world.slots.get(2)]);
      world.stop();
    }
    expect([...endedIn]).toEqual(expect.arrayContaining(['prepare', 'confirm', 'activate', 'drain', 'retire']));
  });

  it('wait for a proxy that does not acknowledge, until they are forced', async () => {
    const world = await createWorld();
    const { rotation } = await world.start('one');
    await world.start('two');
    world.hold(1);
    expect(await rotation.force()).toBe(false);
    await rotation.begin();
    for (let turn = 0; turn < 40; turn++) await world.oneMinute();
    expect(rotation.state()).toMatchObject({ record: { phase: 'confirm' }, advance: { kind: 'wait', for: 'proxies' } });
    expect(await rotation.force()).toBe(true);
    expect(await world.untilSteady()).toMatchObject({ root: world.slots.get(2) });
    world.stop();
  });
});
