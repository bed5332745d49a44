import { describe, expect, it } from 'vitest';
import { parseEntries, sentinel } from '../../../../src/sources/consul/kv-entries.ts';

const entry = (key: string, text: string | null, index = 5): object => ({
  Key: key,
  Value: text === null ? null : Buffer.from(text).toString('base64'),
  CreateIndex: index,
  ModifyIndex: index + 1,
});
const prefix = 'chancery/objects/';

describe('entries of a KV prefix', () => {
  it('become documents with paths below the prefix and their order of creation', () => {
    const entries = parseEntries([entry(`${prefix}a/b.yaml`, 'größe: 1\n')], prefix, new Map());
    expect(entries.get('a/b.yaml')).toEqual({ path: 'a/b.yaml', text: 'größe: 1\n', created: 5 });
  });
  it('leave out folder markers and the sentinel, and take an empty value as an empty text', () => {
    const rows = [
      entry(prefix, null),
      entry(`${prefix}d/`, null),
      entry(prefix + sentinel, 'x'),
      entry(`${prefix}e`, null),
    ];
    expect([...parseEntries(rows, prefix, new Map()).keys()]).toEqual(['e']);
    expect(parseEntries(rows, prefix, new Map()).get('e')?.text).toBe('');
  });
  it('keep an equal document the same object, also when only its ModifyIndex moved', () => {
    const before = parseEntries([entry(`${prefix}a`, 'x')], prefix, new Map());
    const after = parseEntries([{ ...entry(`${prefix}a`, 'x'), ModifyIndex: 99 }], prefix, before);
    expect(after.get('a')).toBe(before.get('a'));
  });
  it.each([[[null]], [[{ Value: 'eA==' }]], [[{ Key: 7 }]], [[entry('elsewhere/a', 'x')]]])('refuse %j', (rows) => {
    expect(() => parseEntries(rows, prefix, new Map())).toThrow();
  });
});
