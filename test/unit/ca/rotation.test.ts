// A root takes the place of another: in simulated fleets whose replicas crash between any two steps, and proxies that come
// and go. A step is the smallest thing that happens whole: one write, one act.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  advanceRotation,
  beginRotation,
  condemnRoot,
  forceRotation,
  type RotationFacts,
  type RotationRecord,
  rotationDuties,
  steadyRotation,
} from '../../../src/ca/rotation.ts';
import { readRotationRecord } from '../../../src/ca/rotation-journal.ts';
import { propertyParameters } from '../../support/property-runs.ts';

const leafLifeMs = 100;
const limits = { soakMs: 100, longestLifeMs: leafLifeMs };
/** A proxy that has lost its replica is back within this, or counts as gone. */
const awayMs = 30;
const idle: RotationFacts = { nowMs: 0, made: undefined, behind: 0, unconfirmed: 0, destroyed: false };

interface Replica {
  alive: boolean;
  /** Where in its round it is. */
  step: number;
  /** Reported; -1: it is there and has done nothing yet. */
  epoch: number;
  bundle: readonly string[] | undefined;
  signer: string | undefined;
  read: { readonly text: string; readonly record: RotationRecord } | undefined;
  decided: RotationRecord | undefined;
}

interface Proxy {
  replica: number | undefined;
  /** What it acknowledged last. */
  bundle: readonly string[];
  awaySinceMs: number;
}

/** A store, replicas and proxies, and what must hold after every step. */
function createFleet(replicaCount: number, proxyCount: number) {
  let nowMs = 0;
  let journal = JSON.stringify(steadyRotation('root-1', 1, 0));
  /** Slot to key id; keys that still exist. */
  const slots = new Map([[1, 'root-1']]);
  const keys = new Set(['root-1']);
  let leaves: { readonly root: string; readonly untilMs: number }[] = [];
  let wasForced = false;
  const replicas: Replica[] = Array.from({ length: replicaCount }, () => asleep());
  const proxies: Proxy[] = Array.from({ length: proxyCount }, () => ({
    ...{ replica: undefined, bundle: ['root-1'], awaySinceMs: Number.NEGATIVE_INFINITY },
  }));

  function asleep(): Replica {
    return {
      ...{
        alive: false,
        step: 0,
        epoch: -1,
        bundle: undefined,
        signer: undefined,
        read: undefined,
        decided: undefined,
      },
    };
  }
  const record = (): RotationRecord => JSON.parse(journal);
  const isThere = ({ replica, awaySinceMs }: Proxy): boolean => replica !== undefined || nowMs < awaySinceMs + awayMs;
  const leave = (proxy: Proxy): void => {
    if (proxy.replica !== undefined) Object.assign(proxy, { replica: undefined, awaySinceMs: nowMs });
  };

  function factsFor({ epoch, phase, ...rest }: RotationRecord): RotationFacts {
    const { bundle } = rotationDuties({ epoch, phase, ...rest } as RotationRecord);
    return {
      nowMs,
      made: 'slot' in rest ? slots.get(rest.slot) : undefined,
      behind: replicas.filter((replica) => replica.alive && replica.epoch !== epoch).length,
      unconfirmed: proxies.filter((proxy) => isThere(proxy) && !bundle.every((root) => proxy.bundle.includes(root)))
        .length,
      destroyed: 'old' in rest && !keys.has(rest.old),
    };
  }

  /** What a replica does in one round. */
  const steps: readonly ((replica: Replica) => void)[] = [
    (replica) => {
      replica.read = { text: journal, record: record() };
    },
    (replica) => {
      const make = replica.read && rotationDuties(replica.read.record).make;
      if (make === undefined || slots.has(make)) return;
      slots.set(make, `root-${make}`);
      keys.add(`root-${make}`);
    },
    (replica) => {
      replica.bundle = replica.read && rotationDuties(replica.read.record).bundle;
    },
    (replica) => {
      const signer = replica.bundle?.[0];
      if (signer !== replica.signer && signer !== undefined && !keys.has(signer))
        throw new Error(`an intermediate of ${signer} cannot be had: its key is destroyed`);
      replica.signer = signer;
    },
    (replica) => {
      const destroy = replica.read && rotationDuties(replica.read.record).destroy;
      if (destroy !== undefined) keys.delete(destroy);
    },
    (replica) => {
      replica.epoch = replica.read?.record.epoch ?? -1;
    },
    (replica) => {
      if (replica.read === undefined) return;
      const { record: known } = replica.read;
      const advance = advanceRotation(known, factsFor(known), limits);
      replica.decided = advance.kind === 'go' ? advance.persist : undefined;
    },
    (replica) => {
      if (replica.decided !== undefined && replica.read?.text === journal) journal = JSON.stringify(replica.decided);
      replica.decided = undefined;
    },
  ];

  function check(): void {
    leaves = leaves.filter(({ untilMs }) => untilMs > nowMs);
    const roots = new Set(leaves.map(({ root }) => root));
    const newest = `root-${Math.max(...slots.keys())}`;
    for (const proxy of proxies) {
      // Forced past, a proxy that does not trust the new root yet refuses it.
      if (!(wasForced ? proxy.bundle.includes(newest) : isThere(proxy))) continue;
      for (const root of roots)
        if (!proxy.bundle.includes(root)) throw new Error(`${root} has leaves, and a proxy trusts ${proxy.bundle}`);
    }
    const { bundle, destroy } = rotationDuties(record());
    if (destroy !== undefined && bundle.includes(destroy)) throw new Error('what is trusted is destroyed');
  }

  const at = <T>(items: readonly T[], index: number): T => {
    const item = items[index % items.length];
    if (item === undefined) throw new Error('there is none');
    return item;
  };

  const fleet = {
    record,
    slots,
    keys,
    now: () => nowMs,
    start(index: number) {
      const replica = at(replicas, index);
      if (!replica.alive) Object.assign(replica, asleep(), { alive: true });
    },
    crash(index: number) {
      Object.assign(at(replicas, index), asleep());
      for (const proxy of proxies) if (proxy.replica === index % replicas.length) leave(proxy);
    },
    step(index: number) {
      const replica = at(replicas, index);
      if (!replica.alive) return;
      at(steps, replica.step)(replica);
      replica.step = (replica.step + 1) % steps.length;
      check();
    },
    round(index: number) {
      for (let step = 0; step < steps.length; step++) fleet.step(index);
    },
    /** It is given the bundle of its replica before anything else. */
    connect(index: number, replica: number) {
      const { bundle, alive, epoch } = at(replicas, replica);
      if (!alive || bundle === undefined || epoch === -1) return;
      Object.assign(at(proxies, index), { replica: replica % replicas.length, bundle });
      check();
    },
    disconnect(index: number) {
      leave(at(proxies, index));
    },
    acknowledge(index: number) {
      const proxy = at(proxies, index);
      const bundle = proxy.replica === undefined ? undefined : at(replicas, proxy.replica).bundle;
      if (bundle !== undefined) Object.assign(proxy, { bundle });
      check();
    },
    issue(index: number) {
      const { signer, epoch } = at(replicas, index);
      if (signer === undefined || epoch === -1) return;
      leaves.push({ root: signer, untilMs: nowMs + leafLifeMs });
      check();
    },
    pass(ms: number) {
      nowMs += ms;
      check();
    },
    rotate(forced: boolean) {
      const next = beginRotation(record(), nowMs, forced);
      if (next === undefined) return false;
      wasForced = forced;
      journal = JSON.stringify(next);
      return true;
    },
    force() {
      const next = forceRotation(record());
      if (next === undefined) return;
      wasForced = true;
      journal = JSON.stringify(next);
    },
    /** Everybody is there, and time passes, until the rotation is over; throws if it never is. */
    finish() {
      for (let index = 0; index < replicaCount; index++) fleet.start(index);
      for (let round = 0; round < 60; round++) {
        for (let step = 0; step < steps.length; step++)
          for (let index = 0; index < replicaCount; index++) fleet.step(index);
        for (let index = 0; index < replicaCount; index++) fleet.issue(index);
        for (let index = 0; index < proxyCount; index++) {
          fleet.connect(index, index);
          fleet.acknowledge(index);
        }
        fleet.pass(20);
        const done = record();
        const settled = replicas.every(({ epoch }) => epoch === done.epoch);
        if (done.phase === 'steady' && settled) return done;
      }
      throw new Error(`the rotation stands still: ${journal}`);
    },
  };
  return fleet;
}

const index = fc.nat({ max: 7 });
const event = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('step' as const), a: index, b: index }) },
  // One replica does much while the others stand still.
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('round' as const), a: index, b: index }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('issue' as const), a: index, b: index }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('acknowledge' as const), a: index, b: index }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('connect' as const), a: index, b: index }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('disconnect' as const), a: index, b: index }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('start' as const), a: index, b: index }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const), a: index, b: index }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pass' as const), a: fc.nat({ max: 60 }), b: index }) },
);
const events = fc.oneof(
  fc.array(event, { maxLength: 100 }),
  // As long as a rotation takes, and longer.
  fc.array(event, { minLength: 300, maxLength: 400 }),
);
type Fleet = ReturnType<typeof createFleet>;
function play(fleet: Fleet, all: readonly { readonly kind: keyof Fleet; readonly a: number; readonly b: number }[]) {
  for (const { kind, a, b } of all) {
    if (kind === 'connect') fleet.connect(a, b);
    else if (kind === 'step' || kind === 'issue' || kind === 'acknowledge' || kind === 'disconnect') fleet[kind](a);
    else if (kind === 'start' || kind === 'crash' || kind === 'pass' || kind === 'round') fleet[kind](a);
  }
}

describe('a rotation', () => {
  it('ends with the new root, whatever crashes, and no proxy meets a root that it does not trust; three times over', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        fc.array(events, { minLength: 1, maxLength: 3 }),
        (replicas, rotations) => {
          const fleet = createFleet(replicas, 4);
          fleet.finish();
          rotations.forEach((during, round) => {
            expect(fleet.rotate(false)).toBe(true);
            play(fleet, during);
            expect(fleet.finish()).toMatchObject({ phase: 'steady', root: `root-${round + 2}` });
            // One root was made for each rotation, and of the old ones no key is left.
            expect([...fleet.slots.keys()]).toHaveLength(round + 2);
            expect([...fleet.keys]).toEqual([`root-${round + 2}`]);
          });
        },
      ),
      propertyParameters(300),
    );
  });

  it('that is forced ends too, and whoever confirmed meets no root that it does not trust', () => {
    fc.assert(
      fc.property(events, events, (before, after) => {
        const fleet = createFleet(2, 4);
        fleet.finish();
        fleet.rotate(false);
        play(fleet, before);
        fleet.force();
        play(fleet, after);
        expect(fleet.finish()).toMatchObject({ phase: 'steady', root: 'root-2' });
      }),
      propertyParameters(200),
    );
  });

  it('is held up by a replica that stands still, whenever it does, and proxies that come to that one are safe', () => {
    for (let stillAfter = 0; stillAfter < 60; stillAfter++) {
      const fleet = createFleet(2, 2);
      fleet.finish();
      fleet.rotate(false);
      for (let step = 0; step < 80; step++) {
        fleet.step(0);
        if (step < stillAfter) fleet.step(1);
        fleet.issue(0);
        fleet.issue(1);
        fleet.connect(0, 0);
        fleet.acknowledge(0);
        // A proxy that is away until the new root may sign.
        if (['prepare', 'confirm'].includes(fleet.record().phase)) fleet.disconnect(1);
        else fleet.connect(1, 1);
        fleet.pass(20);
      }
      expect(fleet.finish()).toMatchObject({ phase: 'steady', root: 'root-2' });
    }
  });

  it('goes on at another replica after a crash at every single step', () => {
    const phases = new Set<string>();
    for (let crashAt = 0; crashAt < 200; crashAt++) {
      const fleet = createFleet(2, 2);
      fleet.finish();
      fleet.crash(1);
      fleet.rotate(false);
      for (let step = 0; step < crashAt && fleet.record().phase !== 'steady'; step++) {
        fleet.step(0);
        fleet.issue(0);
        fleet.connect(step, 0);
        fleet.pass(3);
      }
      phases.add(fleet.record().phase);
      fleet.crash(0);
      fleet.start(1);
      for (let step = 0; step < 40; step++) {
        fleet.step(1);
        fleet.issue(1);
      }
      expect(fleet.finish(), `crashed after ${crashAt} steps`).toMatchObject({ phase: 'steady', root: 'root-2' });
      expect([...fleet.keys]).toEqual(['root-2']);
    }
    expect([...phases]).toEqual(['prepare', 'confirm', 'activate', 'drain', 'retire', 'steady']);
  });
});

describe('a phase', () => {
  const prepare = beginRotation(steadyRotation('r1', 1, 0), 0);
  if (prepare === undefined) throw new Error('a steady record begins');
  const confirm = persisted(prepare, { ...idle, made: 'r2' });
  const activate = persisted(confirm, { ...idle, nowMs: 100 });
  const drain = persisted(activate, { ...idle, nowMs: 110 });
  const retire = persisted(drain, { ...idle, nowMs: 210 });

  function persisted(record: RotationRecord, facts: RotationFacts): RotationRecord {
    const advance = advanceRotation(record, facts, limits);
    if (advance.kind !== 'go') throw new Error(`${record.phase} waits for ${advance.for}`);
    expect(advance.duties).toEqual(rotationDuties(advance.persist));
    return advance.persist;
  }

  it('waits for what it needs, and says for what', () => {
    const wait = (record: RotationRecord, facts: Partial<RotationFacts>) =>
      advanceRotation(record, { ...idle, ...facts }, limits);
    expect(wait(steadyRotation('r1', 1, 0), {})).toEqual({ kind: 'wait', for: 'nothing' });
    expect(wait(prepare, {})).toEqual({ kind: 'wait', for: 'root' });
    for (const record of [prepare, confirm, activate, drain, retire])
      expect(wait(record, { made: 'r2', behind: 1, nowMs: 1e6, destroyed: true })).toEqual({
        kind: 'wait',
        for: 'replicas',
      });
    expect(wait(confirm, { unconfirmed: 1, nowMs: 1e6 })).toEqual({ kind: 'wait', for: 'proxies' });
    expect(wait(confirm, { nowMs: 99 })).toEqual({ kind: 'wait', for: 'time', untilMs: 100 });
    expect(wait(drain, { nowMs: 209 })).toEqual({ kind: 'wait', for: 'time', untilMs: 210 });
    expect(wait(retire, {})).toEqual({ kind: 'wait', for: 'key' });
  });

  it('that is forced waits for no proxy and no time, but for replicas', () => {
    const forced = forceRotation(confirm);
    if (forced === undefined) throw new Error('a rotation that waits can be forced');
    expect(advanceRotation(forced, { ...idle, unconfirmed: 5 }, limits).kind).toBe('go');
    expect(advanceRotation(forced, { ...idle, behind: 1 }, limits)).toEqual({ kind: 'wait', for: 'replicas' });
    expect(forceRotation(forced)).toBeUndefined();
    for (const record of [activate, drain, retire]) expect(forceRotation(record)).toBeUndefined();
  });

  it('of a compromised root waits for connected proxies only, until the old one is out of the bundle', () => {
    const condemned = condemnRoot(steadyRotation('r1', 1, 0), 0);
    if (condemned === undefined) throw new Error('a root that signs can be condemned');
    expect(condemned).toEqual({ ...prepare, compromised: true });
    const trusted = persisted(condemned, { ...idle, made: 'r2' });
    const waits = { kind: 'wait', for: 'proxies' };
    expect(advanceRotation(trusted, { ...idle, unconfirmed: 1 }, limits)).toEqual(waits);
    const signing = persisted(trusted, idle);
    const draining = persisted(signing, idle);
    expect([signing.phase, draining.phase]).toEqual(['activate', 'drain']);
    expect(advanceRotation(draining, { ...idle, unconfirmed: 1 }, limits)).toEqual(waits);
    expect(advanceRotation(draining, { ...idle, behind: 1 }, limits)).toEqual({ kind: 'wait', for: 'replicas' });
    const forced = forceRotation(draining);
    if (forced === undefined) throw new Error('one that waits for proxies can be forced');
    expect(rotationDuties(persisted(forced, { ...idle, unconfirmed: 1 })).bundle).toEqual(['r2']);
    const retired = persisted(draining, idle);
    expect(rotationDuties(retired)).toEqual({ make: undefined, bundle: ['r2'], destroy: 'r1' });
    expect(persisted(retired, { ...idle, destroyed: true })).toEqual({
      ...{ phase: 'steady', epoch: 7, sinceMs: 0, root: 'r2', slot: 2 },
    });
    const stored = (record: object): Uint8Array =>
      Buffer.from(JSON.stringify({ ...record, sinceMs: 1 }).replace(/"r([12])"/g, (_, id) => `"${id.repeat(64)}"`));
    for (const record of [condemned, trusted, signing, draining, forced])
      expect(readRotationRecord(stored(record))).toMatchObject({ phase: record.phase, compromised: true });
    expect(readRotationRecord(stored({ ...signing, compromised: false }))).toBeUndefined();
    expect(readRotationRecord(stored({ ...retired, forced: true }))).toBeUndefined();
  });

  it('that goes on already is hastened, but for one that is nearly over', () => {
    for (const record of [prepare, confirm, activate, drain])
      expect(condemnRoot(record, 5)).toEqual({ ...record, compromised: true });
    expect(condemnRoot(retire, 5)).toBeUndefined();
    expect(condemnRoot({ ...drain, compromised: true }, 5)).toBeUndefined();
  });

  it('is not begun twice', () => {
    for (const record of [prepare, confirm, activate, drain, retire]) expect(beginRotation(record, 0)).toBeUndefined();
  });

  it('is the same after it was written and read', () => {
    for (const record of [prepare, confirm, activate, drain, retire])
      expect(JSON.parse(JSON.stringify(record))).toEqual(record);
  });
});
