import { describe, expect, it } from 'vitest';
import { createCatalog } from '../../../../src/sources/dev-registry/catalog.ts';
import { createKv } from '../../../../src/sources/dev-registry/kv.ts';

const bytes = (text: string): Buffer => Buffer.from(text);

describe('key-value part of the dev registry', () => {
  it('keeps the index of creation over changes, and moves the prefix', () => {
    const kv = createKv(createCatalog());
    kv.put('a/x', bytes('1'));
    const before = kv.indexOf('a/', true);
    const created = kv.get('a/x')?.created;
    kv.put('a/x', bytes('2'));
    expect(kv.get('a/x')?.created).toBe(created);
    expect(kv.indexOf('a/', true)).toBeGreaterThan(before);
    kv.put('b/x', bytes('2'));
    expect(kv.indexOf('a/', true)).toBe(kv.get('a/x')?.modified);
  });
  it('lets a deletion move the prefix that still has keys, and never back', () => {
    const kv = createKv(createCatalog());
    kv.put('a/x', bytes('1'));
    kv.put('a/y', bytes('1'));
    const before = kv.indexOf('a/', true);
    kv.remove('a/y', { recurse: false });
    expect(kv.indexOf('a/', true)).toBeGreaterThan(before);
    expect(kv.list('a/').map(({ key }) => key)).toEqual(['a/x']);
  });
  it('answers for a missing prefix with the index of any write', () => {
    const kv = createKv(createCatalog());
    const before = kv.indexOf('none/', true);
    kv.put('a', bytes('1'));
    expect(kv.indexOf('none/', true)).toBeGreaterThan(before);
  });
  it('compares and sets: 0 creates only, another index refuses', () => {
    const kv = createKv(createCatalog());
    expect(kv.put('a', bytes('1'), 0)).toBe(true);
    expect(kv.put('a', bytes('2'), 0)).toBe(false);
    const modified = kv.get('a')?.modified ?? -1;
    expect(kv.put('a', bytes('2'), modified)).toBe(true);
    expect(kv.remove('a', { recurse: false, cas: modified })).toBe(false);
    expect(kv.get('a')?.value.toString()).toBe('2');
  });
  it('takes no index for an equal value or a key that is not there', () => {
    const kv = createKv(createCatalog());
    kv.put('a', bytes('1'));
    const index = kv.indexOf('a', false);
    kv.put('a', bytes('1'));
    kv.remove('b', { recurse: false });
    expect(kv.indexOf('a', false)).toBe(index);
  });
});
