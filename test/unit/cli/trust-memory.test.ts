// What is remembered of roots apart from where they are kept: former copies, other keepers and lost stores are refused.
import { beforeEach, describe, expect, it } from 'vitest';
import { beginRotation, condemnRoot, type RotationRecord, steadyRotation } from '../../../src/ca/rotation.ts';
import { createRotationJournal } from '../../../src/ca/rotation-journal.ts';
import { createTrustMemory } from '../../../src/cli/trust-memory.ts';
import { silentLogger } from '../../../src/util/log.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createMemoryStore, type MemoryStore } from '../ca/memory-store.ts';

const [a, b, c] = ['a', 'b', 'c'].map((letter) => letter.repeat(64)) as [string, string, string];
const pair = { old: a, next: b, slot: 2, sinceMs: 1 };
const steady = steadyRotation(a, 1, 1);
const drain: RotationRecord = { ...pair, phase: 'drain', epoch: 5 };
const retire: RotationRecord = { ...pair, phase: 'retire', epoch: 6 };
const after: RotationRecord = { phase: 'steady', epoch: 7, sinceMs: 1, root: b, slot: 2 };

describe('what is remembered of roots', () => {
  let store: MemoryStore;
  let local: MemoryStore;
  let accepted: boolean;
  beforeEach(() => {
    [store, local, accepted] = [createMemoryStore(), createMemoryStore(), false];
  });

  const start = (shared: MemoryStore = store, own: MemoryStore = local) =>
    createTrustMemory({
      ...{ clock: createFakeClock(), log: silentLogger, store: shared, local: own },
      asFound: Object.assign(async () => accepted, { how: 'Run touch this.' }),
    });
  /** A process that finds these in the journal, one after another. */
  async function run(records: readonly RotationRecord[], memory = start()): Promise<void> {
    const kept = createMemoryStore();
    const journal = memory.guard(createRotationJournal(kept), async () => true);
    for (const record of records) {
      kept.values.set('ca/rotation', new TextEncoder().encode(JSON.stringify(record)));
      await journal.load();
    }
  }
  const formerRoot = { code: 'CH1863', hint: expect.stringContaining('Run touch this.') };

  it('T16: refuses a copy from before a rotation, wherever that is remembered', async () => {
    await run([steady, drain, retire, after]);
    await expect(run([steady])).rejects.toMatchObject(formerRoot);
    // A store that was put back too is contradicted by the machine, and the other way round.
    await expect(run([steady], start(createMemoryStore(), local))).rejects.toMatchObject(formerRoot);
    await expect(run([steady], start(store, createMemoryStore()))).rejects.toMatchObject(formerRoot);
    await run([after]);
  });

  it('refuses a copy of a rotation on the way that trusts a root that was let go', async () => {
    await run([steady, drain]);
    // The same phase again is what a restart finds.
    await run([drain]);
    await run([retire, after]);
    await expect(run([drain])).rejects.toMatchObject(formerRoot);
  });

  it('T16: refuses a tainted root, but for the rotation that lets it go', async () => {
    const condemned = condemnRoot(steady, 1) as RotationRecord;
    await run([steady, condemned]);
    await run([condemned]);
    await expect(run([steady])).rejects.toMatchObject(formerRoot);
    await expect(run([beginRotation(steady, 1) as RotationRecord])).rejects.toMatchObject(formerRoot);
  });

  it('refuses a journal that goes back while the process runs', async () => {
    await expect(run([steady, drain, retire, steady])).rejects.toMatchObject(formerRoot);
  });

  it('refuses a former root that lies there without its journal', async () => {
    await run([steady, drain, retire, after]);
    const memory = start();
    const journal = memory.guard(createRotationJournal(createMemoryStore()), async () => true);
    expect(await journal.load()).toBeUndefined();
    const roots = { generation: 1, roots: [{ certificate: new Uint8Array(), keyId: a, notAfterMs: 1 }] };
    await expect(memory.opened(roots)).rejects.toMatchObject(formerRoot);
  });

  it('takes what is found where somebody said so, and remembers that', async () => {
    await run([steady, drain, retire, after]);
    accepted = true;
    await run([steady]);
    accepted = false;
    await run([steady]);
  });

  it('refuses another root than the one of replicas, and makes none where theirs is missing', async () => {
    await run([steady]);
    await expect(run([steadyRotation(c, 1, 1)])).rejects.toMatchObject({ code: 'CH1888' });
    const journal = start().guard(createRotationJournal(createMemoryStore()), async () => false);
    await expect(journal.load()).rejects.toMatchObject({ code: 'CH1888' });
    // After a rotation of its own the mark may be of another day: a replica that slept through it is let in.
    await run([{ ...after, root: c }], start(createMemoryStore(), store));
  });

  it('refuses another keeper of the root than that of replicas', async () => {
    const nothing = async () => undefined;
    await start().checkStore('sealed', nothing);
    await start().checkStore('sealed', nothing);
    await expect(start().checkStore('vault', nothing)).rejects.toMatchObject({ code: 'CH1888' });
    accepted = true;
    await start().checkStore('vault', nothing);
    accepted = false;
    await start().checkStore('vault', nothing);
  });

  it('refuses an empty store where there was trust before', async () => {
    const before = async () => 'the journal beside the root';
    await expect(start().checkStore('files', before)).rejects.toMatchObject({
      ...{ code: 'CH1864', message: expect.stringContaining('the journal beside the root') },
      hint: expect.stringMatching(/every node has to join again.*Run touch this\./),
    });
    accepted = true;
    await start().checkStore('files', before);
    accepted = false;
    store.values.set('tokens/signing/000001', new Uint8Array(1));
    await start().checkStore('files', before);
  });
});
