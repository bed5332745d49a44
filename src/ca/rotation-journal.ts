// The journal of rotations as one value in the store where the roots are, so that whoever shares the roots shares it.
// It must not know what a phase means. Invariant: what cannot be read whole is refused, never taken for absent.
import type { Store } from '../model/store.ts';
import { AppError } from '../util/errors.ts';
import type { RotationRecord } from './rotation.ts';
import type { RotationJournal } from './rotation-driver.ts';

const key = 'ca/rotation';

export function createRotationJournal(store: Store): RotationJournal {
  return {
    async load() {
      const entry = await store.get(key);
      if (entry === undefined) return undefined;
      const record = readRotationRecord(entry.value);
      if (record === undefined)
        throw new AppError('CH1819', `the ${store.kind} store holds no record of a rotation under "${key}"`);
      return { record, revision: entry.revision };
    },
    async save(record, expect) {
      return (await store.put(key, new TextEncoder().encode(JSON.stringify(record)), expect)) !== undefined;
    },
  };
}

const isId = (value: unknown): value is string => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0;
const isFlag = (value: unknown): value is boolean => typeof value === 'boolean';
const pair = { old: isId, next: isId };
const forms: Readonly<Record<string, Readonly<Record<string, (value: unknown) => boolean>>>> = {
  steady: { root: isId },
  prepare: { old: isId, forced: isFlag },
  confirm: { ...pair, forced: isFlag },
  activate: pair,
  drain: pair,
  retire: pair,
};
const common = {
  phase: (value: unknown) => typeof value === 'string',
  epoch: isCount,
  sinceMs: isCount,
  slot: isCount,
};

/** Undefined unless it is exactly a record: each member of its phase, and no other. */
export function readRotationRecord(bytes: Uint8Array): RotationRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const members = new Map(Object.entries(value));
  const phase = members.get('phase');
  const own = typeof phase === 'string' && Object.hasOwn(forms, phase) ? forms[phase] : undefined;
  // There only where it is true.
  const marks = ['compromised', ...(phase === 'drain' ? ['forced'] : [])].filter((name) => members.has(name));
  const marked = Object.fromEntries(marks.map((name) => [name, (value: unknown) => value === true]));
  const checks = Object.entries({ ...common, ...own, ...(phase === 'steady' ? {} : marked) });
  if (own === undefined || members.size !== checks.length) return undefined;
  if (!checks.every(([name, holds]) => holds(members.get(name)))) return undefined;
  return members.get('old') !== undefined && members.get('old') === members.get('next')
    ? undefined
    : (value as RotationRecord);
}
