import { describe, expect, it } from 'vitest';
import { nextWorld } from '../../../src/model/next-world.ts';
import type { ObjectSnapshot } from '../../../src/model/snapshot.ts';
import type { World } from '../../../src/model/world.ts';

const route = (name: string, more = ''): string =>
  `apiVersion: chancery/v1\nkind: Route\nmetadata: {name: ${name}}\nspec:\n  hosts: [${name}.example]\n  rules: [{respond: {status: 200}}]\n${more}`;

function world(before: World | undefined, files: Readonly<Record<string, string>>): World {
  const documents = new Map(Object.entries(files).map(([path, text]) => [path, { path, text }]));
  const objects: ObjectSnapshot = { source: 'files', revision: '1', complete: true, documents };
  return nextWorld(before, { registries: [], objects: [objects] });
}

const names = (of: World): string[] => of.routes.map(({ name }) => name);
const codes = (of: World): string[] => of.problems.map(({ code }) => code);

describe('last good objects', () => {
  it.each([
    ['a misspelt key', route('a', '  rulez: []\n'), 'CH1004'],
    ['broken YAML', 'apiVersion: chancery/v1\nkind: Route\nmetadata: {name: a\n', 'CH1001'],
    ['a kind misspelt', route('a').replace('kind: Route', 'kind: Rout'), 'CH1003'],
  ])('stand while their text has %s, and the mistake is named', (_, text, code) => {
    const after = world(world(undefined, { 'a.yaml': route('a') }), { 'a.yaml': text });
    expect(names(after)).toEqual(['a']);
    expect(codes(after)).toEqual(expect.arrayContaining([code, 'CH1110']));
  });

  it('stand through several bad texts, and give way to the next good one', () => {
    let current = world(undefined, { 'a.yaml': route('a') });
    for (const text of ['{', '}{', 'kind: [']) current = world(current, { 'a.yaml': text });
    expect(names(current)).toEqual(['a']);
    current = world(current, { 'a.yaml': route('b') });
    expect(names(current)).toEqual(['b']);
    expect(codes(current)).toEqual([]);
  });

  it('are gone when the file is gone, or when they are deleted from a good text', () => {
    const both = world(undefined, { 'a.yaml': `${route('a')}---\n${route('b')}` });
    expect(names(world(both, { 'a.yaml': route('a') }))).toEqual(['a']);
    expect(names(world(both, {}))).toEqual([]);
    expect(names(world(both, { 'a.yaml': '' }))).toEqual([]);
  });

  it('give way to the same object in another file', () => {
    const before = world(undefined, { 'a.yaml': route('a') });
    const moved = world(before, { 'a.yaml': '{', 'b.yaml': route('a') });
    expect(names(moved)).toEqual(['a']);
    expect(codes(moved)).toEqual(['CH1001']);
  });

  it('do not exist for what never was good', () => {
    expect(names(world(undefined, { 'a.yaml': route('a', '  rulez: []\n') }))).toEqual([]);
  });
});
