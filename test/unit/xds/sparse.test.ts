// Sparse sets and maps against Set and Map, under any sequence of changes.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SparseMap, SparseSet } from '../../../src/xds/sparse.ts';

const name = fc.constantFrom('', 'a', 'b', 'c');
const change = fc.record({ do: fc.constantFrom('add', 'add', 'delete', 'clear'), name });

it('a sparse set is a set', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 20 }), (changes) => {
      const sparse = new SparseSet();
      const model = new Set<string>();
      for (const one of changes) {
        if (one.do === 'add') {
          sparse.add(one.name);
          model.add(one.name);
        } else if (one.do === 'clear') {
          sparse.clear();
          model.clear();
        } else expect(sparse.delete(one.name)).toBe(model.delete(one.name));
        expect([...sparse]).toEqual([...model]);
        expect(sparse.size).toBe(model.size);
        for (const each of ['', 'a', 'b', 'c']) expect(sparse.has(each)).toBe(model.has(each));
      }
    }),
    { numRuns: 300 },
  );
});

it('a sparse set can be emptied while it is read', () => {
  for (const names of [['a'], ['a', 'b', 'c']]) {
    const sparse = new SparseSet();
    for (const each of names) sparse.add(each);
    const read: string[] = [];
    for (const each of sparse) {
      read.push(each);
      sparse.delete(each);
    }
    expect(read).toEqual(names);
    expect(sparse.size).toBe(0);
  }
});

it('a sparse map is a map', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ set: fc.boolean(), name, value: fc.nat(3) }), { maxLength: 20 }), (changes) => {
      const sparse = new SparseMap<number>();
      const model = new Map<string, number>();
      for (const { set, name: each, value } of changes) {
        if (set) {
          sparse.set(each, value);
          model.set(each, value);
        } else {
          sparse.delete(each);
          model.delete(each);
        }
        expect([...sparse]).toEqual([...model]);
        expect(sparse.size).toBe(model.size);
        expect([sparse.get(each), sparse.has(each)]).toEqual([model.get(each), model.has(each)]);
      }
    }),
    { numRuns: 300 },
  );
});
