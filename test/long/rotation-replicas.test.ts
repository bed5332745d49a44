// Three replicas of an authority whose sealed roots and journal lie in a real etcd and a real Consul: three rotations in a row,
// the second of a compromised root, in each of which whoever writes a phase ends at once and another one starts. At the end
// all tell the same root, and sign below it.
import { randomBytes, X509Certificate } from 'node:crypto';
import { expect, it } from 'vitest';
import { createAuthority } from '../../src/ca/authority.ts';
import type { Authority } from '../../src/ca/contract.ts';
import { createSealedRoots } from '../../src/ca/roots-sealed.ts';
import { createRotatingRoots } from '../../src/ca/rotating-roots.ts';
import { rotationDuties } from '../../src/ca/rotation.ts';
import { createRotation, type Rotation, type RotationJournal } from '../../src/ca/rotation-driver.ts';
import { createRotationJournal } from '../../src/ca/rotation-journal.ts';
import { createRotationFleet } from '../../src/control/rotation-fleet.ts';
import { createStore, type StoreConfig } from '../../src/store/store.ts';
import { silentLogger } from '../../src/util/log.ts';
import { createSystemClock } from '../../src/util/system-clock.ts';
import { describeWith, eventually, startConsul, startEtcd } from '../support/real-parts.ts';
import { startSignerHere } from '../support/signer-here.ts';

const trustDomain = 'example.org';
const phases = ['prepare', 'confirm', 'activate', 'drain', 'retire', 'steady'];
const web = { spiffeId: `spiffe://${trustDomain}/svc/web`, seed: '', urgency: 'routine' } as const;
const lookEveryMs = 100;
const silentMs = 8 * lookEveryMs;

interface Replica {
  readonly authority: Authority;
  readonly rotation: Rotation;
  readonly stopping: AbortController;
  /** When it has ended. */
  readonly over: Promise<unknown>;
}

function createWorld(config: StoreConfig) {
  const clock = createSystemClock();
  const kek = randomBytes(32);
  /** Phases whose writer ends as it has written them. */
  const deadly = new Set<string>();
  const replicas = new Set<Replica>();
  const ended: Promise<unknown>[] = [];

  async function start(): Promise<void> {
    const store = createStore({ clock }, config);
    const journal = createRotationJournal(store);
    const stopping = new AbortController();
    const fatal: RotationJournal = {
      load: journal.load,
      async save(record, expected) {
        const done = await journal.save(record, expected);
        if (!done || !deadly.delete(record.phase)) return done;
        stopping.abort();
        throw new Error('it ended');
      },
    };
    const provider = createSealedRoots(
      { clock },
      {
        ...{ store, keyEncryptionKey: async () => kek, trustDomain, lifeMs: 365 * 86_400_000 },
        bundle: async () => {
          const found = await journal.load();
          return found && rotationDuties(found.record).bundle;
        },
      },
    );
    const fleet = createRotationFleet(
      { clock, store, nodes: () => [], streamsOf: async () => [], rootsVersion: () => '' },
      { silentMs },
    );
    const common = { clock, random: () => 0.5, log: silentLogger };
    const authority = createAuthority({ ...common, provider, start: startSignerHere }, { trustDomain });
    const rotation = createRotation(
      { ...common, journal: fatal, fleet, roots: createRotatingRoots(provider, authority) },
      {
        get first() {
          return { keyId: authority.roots().roots[0]?.keyId ?? '', slot: 1 };
        },
        ...{ soakMs: 2 * lookEveryMs, longestLifeMs: 4 * lookEveryMs, lookEveryMs },
      },
    );
    await fleet.join();
    await authority.open();
    const running = Promise.all([rotation.run(stopping.signal), authority.run(stopping.signal)]);
    const replica: Replica = {
      ...{ authority, rotation, stopping },
      over: running.then(() => {
        replicas.delete(replica);
        store.close();
      }),
    };
    ended.push(replica.over);
    replicas.add(replica);
  }

  async function rotate(how: 'begin' | 'condemn'): Promise<void> {
    for (const phase of phases) deadly.add(phase);
    const [one] = replicas;
    // Whoever begins has written the first phase.
    await expect(one?.rotation[how]()).rejects.toThrow('it ended');
    await eventually(
      async () => {
        while (replicas.size < 3) await start();
        const settled = [...replicas].every(({ rotation }) => rotation.state()?.record.phase === 'steady');
        return deadly.size === 0 && settled && replicas.size === 3;
      },
      { deadlineMs: 50_000 },
    );
  }

  return {
    replicas,
    start,
    rotate,
    async stop() {
      for (const { stopping } of replicas) stopping.abort();
      await Promise.all(ended);
    },
  };
}

const stores = {
  etcd: async () => {
    const etcd = await startEtcd();
    return { config: { kind: 'etcd', endpoints: [etcd.url] } as const, stop: () => etcd.stop() };
  },
  consul: async () => {
    const consul = await startConsul();
    return { config: { kind: 'consul', address: consul.url } as const, stop: () => consul.stop() };
  },
};

for (const part of ['etcd', 'consul'] as const)
  describeWith([part], `replicas over a real ${part}`, () => {
    it('rotate three times, though one ends in every phase, and agree', { timeout: 180_000 }, async () => {
      const { config, stop } = await stores[part]();
      const world = createWorld(config);
      try {
        for (let count = 0; count < 3; count++) await world.start();
        const seen = new Set<string>();
        for (const how of ['begin', 'condemn', 'begin'] as const) {
          const before = [...world.replicas][0]?.authority.roots().roots[0]?.keyId;
          await world.rotate(how);
          const roots = [...world.replicas].map(({ authority }) => authority.roots().roots.map(({ keyId }) => keyId));
          const [[root = ''] = []] = roots;
          expect(roots).toEqual([[root], [root], [root]]);
          expect(root).not.toBe(before);
          seen.add(root);
          for (const { authority } of world.replicas) {
            const leaf = await authority.issue(web);
            const [trusted] = authority.roots().roots;
            const intermediate = new X509Certificate(leaf.chain[1] ?? new Uint8Array());
            expect(intermediate.verify(new X509Certificate(trusted?.certificate ?? '').publicKey)).toBe(true);
            expect(leaf.root).toBe(root);
          }
        }
        expect(seen.size).toBe(3);
      } finally {
        await world.stop();
        await stop();
      }
    });
  });
