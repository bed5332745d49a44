// What this control plane remembers of trust in places where the roots are not kept: which root signed, which were replaced,
// condemned or retired, and who keeps them. So a copy of former days that was put back, and a store that was lost, are noticed.
// It must not know how roots are kept, nor serve anybody. Invariant: a root's standing only rises; what contradicts what is
// remembered is refused, unless a person said by a file of the state folder that it is to be taken as found, once.
import type { Roots } from '../ca/contract.ts';
import { type RotationRecord, rotationDuties, steadyRotation } from '../ca/rotation.ts';
import type { RotationJournal } from '../ca/rotation-driver.ts';
import type { Store, StoreEntry } from '../model/store.ts';
import type { Clock } from '../util/clock.ts';
import { AppError } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';

/** In this order a root's standing rises. */
const standings = ['signs', 'replaced', 'condemned', 'retired'] as const;
type Standing = (typeof standings)[number];

interface Known {
  readonly standing: Standing;
  /** Wall clock. */
  readonly sinceMs: number;
}

export interface TrustMemoryDeps {
  readonly clock: Clock;
  readonly log: Logger;
  /** What all replicas share. */
  readonly store: Store;
  /** Of this machine; the same, where replicas share that. */
  readonly local: Store;
  /** Whether a person said that what is found is to be taken, and the words that say how to say so. */
  readonly asFound: { (): Promise<boolean>; readonly how: string };
}

export interface TrustMemory {
  /**
   * To be asked before the first key of tokens is made. Rejects with CH1864 where this control plane had keys before and the store
   * has none: `evidence` names what says so. Rejects with CH1888 where the roots were kept by another kind of keeper.
   */
  checkStore(kind: string, evidence: () => Promise<string | undefined>): Promise<void>;
  /** The journal; a record that brings a former root back, or another than the replicas', is refused (CH1863, CH1888). */
  guard(journal: RotationJournal, anyKept: () => Promise<boolean>): RotationJournal;
  /** Of roots that were opened without a journal. Rejects like `guard`. */
  opened(roots: Roots): Promise<void>;
}

const prefix = 'ca/known/';
const kindKey = 'ca/keeper';
const tokenKeys = 'tokens/signing/';

export function createTrustMemory(deps: TrustMemoryDeps): TrustMemory {
  const { clock, store, local, asFound } = deps;
  const log = deps.log.child('ca');
  const places = store === local ? [store] : [store, local];
  const noted = new Set<string>();
  /** Of the journal, when it was last looked at; 0 before. */
  let epoch = 0;
  let journalled = false;

  /** Resolves where a person said so, rejects otherwise. */
  async function refuse(code: 'CH1863' | 'CH1864' | 'CH1888', what: string, hint: string): Promise<void> {
    if (!(await asFound())) throw new AppError(code, what, { hint: `${hint} ${asFound.how}` });
    log.warn('taken as found, for somebody said so', { code, found: what });
  }

  async function note(record: RotationRecord): Promise<void> {
    for (const [keyId, standing] of standingsIn(record)) {
      const mark = `${keyId} ${standing}`;
      if (noted.has(mark)) continue;
      for (const place of places) await raise(place, keyId, { standing, sinceMs: Math.floor(clock.wall()) });
      noted.add(mark);
    }
  }

  /** Former ones of what is to be trusted, then others that sign. */
  async function check(record: RotationRecord): Promise<void> {
    const { bundle } = rotationDuties(record);
    for (const place of places) {
      const known = await readAll(place);
      for (const keyId of bundle) {
        const found = known.get(keyId);
        if (found === undefined || isFine(found.known.standing, record, keyId)) continue;
        const { standing, sinceMs } = found.known;
        await refuse(
          'CH1863',
          `the root ${keyId.slice(0, 10)} would be trusted again, which was ${words[standing]} on ${day(sinceMs)} (the ${place.kind} store of trust says so): a copy from before that day was put back`,
          'Put back the newest copy of where the root is kept. With the former root proxies that do not trust it any more refuse the others, and who has its key signs again.',
        );
        await place.delete(found.path, found.entry);
      }
    }
    if (record.epoch === 1) await checkOthers(store, bundle);
    noted.clear();
  }

  /** Before the first rotation what signs elsewhere is another mesh: afterwards it may be what was there before. */
  async function checkOthers(place: Store, bundle: readonly string[]): Promise<void> {
    for (const [keyId, { known, path, entry }] of await readAll(place)) {
      if (known.standing !== 'signs' || bundle.includes(keyId)) continue;
      const ours = bundle[0] === undefined ? 'none is kept here' : `here ${bundle[0].slice(0, 10)} would sign`;
      await refuse(
        'CH1888',
        `the root ${keyId.slice(0, 10)} signs since ${day(known.sinceMs)} (the ${place.kind} store of trust says so), but ${ours}`,
        'Look whether `trust.root` names the same place on every replica, or put the root back from a backup. With another root proxies refuse those of other replicas, and every node joins again.',
      );
      await place.delete(path, entry);
    }
  }

  return {
    async checkStore(kind, evidence) {
      // In this order: another replica that starts now makes the keys before anything that is evidence.
      const found = await evidence();
      if (found !== undefined && (await store.list(tokenKeys)).size === 0)
        await refuse(
          'CH1864',
          `the ${store.kind} store of trust is empty, but ${found} says that this control plane had one: the keys that sign node tokens, the list of what was revoked and tokens of the API are lost`,
          'Put the store back from a backup (STATE/trust, or what `trust.joinStore` names). Without it every node has to join again, and a certificate of a node that was revoked is a credential again until it ends.',
        );
      const said = new TextEncoder().encode(kind);
      if ((await store.put(kindKey, said, 'absent')) !== undefined) return;
      const entry = await store.get(kindKey);
      const before = entry && new TextDecoder().decode(entry.value).slice(0, 40);
      if (entry === undefined || before === kind) return;
      await refuse(
        'CH1888',
        `the root is kept by "${before}" as the ${store.kind} store of trust says, but \`trust.root\` here names "${kind}"`,
        'Have every replica keep the root at the same place. With another root proxies refuse those of other replicas, and every node joins again.',
      );
      await store.put(kindKey, said, entry);
    },
    guard: (journal, anyKept) => ({
      async load() {
        const found = await journal.load();
        if (found === undefined) {
          if (!journalled && epoch === 0 && !(await anyKept())) await checkOthers(store, []);
          return undefined;
        }
        journalled = true;
        // Read every few seconds: what is remembered is asked only where the journal is new, or went back.
        if (epoch === 0 || found.record.epoch < epoch) await check(found.record);
        epoch = found.record.epoch;
        await note(found.record);
        return found;
      },
      save: journal.save,
    }),
    async opened(roots) {
      const [first] = roots.roots;
      if (journalled || first === undefined) return;
      const record = steadyRotation(first.keyId, 1, clock.wall());
      await check(record);
      await note(record);
    },
  };
}

const words: Readonly<Record<Standing, string>> = {
  signs: 'in use',
  replaced: 'replaced by another',
  condemned: 'tainted',
  retired: 'let go for good',
};

/** What a record says of each root. */
function standingsIn(record: RotationRecord): readonly (readonly [string, Standing])[] {
  const former = record.compromised ? 'condemned' : 'replaced';
  switch (record.phase) {
    case 'steady':
      return [[record.root, 'signs']];
    case 'prepare':
    case 'confirm':
      return [[record.old, record.compromised ? 'condemned' : 'signs']];
    case 'activate':
    case 'drain':
      return [
        [record.old, former],
        [record.next, 'signs'],
      ];
    case 'retire':
      return [
        [record.old, 'retired'],
        [record.next, 'signs'],
      ];
  }
}

/** Whether a root of this standing may stand in the bundle of the record. */
function isFine(standing: Standing, record: RotationRecord, keyId: string): boolean {
  switch (standing) {
    case 'signs':
      return true;
    case 'replaced':
      return rotationDuties(record).bundle[0] !== keyId;
    case 'condemned':
      return record.compromised === true;
    case 'retired':
      return false;
  }
}

async function raise(place: Store, keyId: string, known: Known): Promise<void> {
  const path = `${prefix}${keyId}`;
  for (;;) {
    const entry = await place.get(path);
    const before = entry && readKnown(entry);
    if (before !== undefined && standings.indexOf(before.standing) >= standings.indexOf(known.standing)) return;
    const value = new TextEncoder().encode(JSON.stringify(known));
    if ((await place.put(path, value, entry ?? 'absent')) !== undefined) return;
  }
}

async function readAll(place: Store) {
  const found = new Map<string, { readonly path: string; readonly entry: StoreEntry; readonly known: Known }>();
  for (const [path, entry] of await place.list(prefix)) {
    const known = readKnown(entry);
    // What is not ours is passed over: it can only warn too little.
    if (known !== undefined) found.set(path.slice(prefix.length), { path, entry, known });
  }
  return found;
}

function readKnown({ value }: StoreEntry): Known | undefined {
  try {
    const { standing, sinceMs } = JSON.parse(new TextDecoder().decode(value)) as Partial<Known>;
    const whole = standings.some((one) => one === standing) && Number.isSafeInteger(sinceMs);
    return whole ? ({ standing, sinceMs } as Known) : undefined;
  } catch {
    return undefined;
  }
}

const day = (ms: number): string => new Date(ms).toISOString().slice(0, 16).replace('T', ' ');
