// Writes over the API: what was accepted is kept, whatever the names are and whoever else writes at the same time.
import { describe, expect, it } from 'vitest';
import { createObjects, type Objects } from '../../../src/control/objects.ts';
import type { ObjectDocument, ObjectSnapshot } from '../../../src/model/snapshot.ts';
import type { ObjectStore } from '../../../src/model/source.ts';
import { AppError } from '../../../src/util/errors.ts';

const route = (name: string, status = 200, namespace = 'default'): string =>
  `apiVersion: chancery/v1\nkind: Route\nmetadata: {name: ${name}, namespace: ${namespace}}\nspec:\n  hosts: [${name}.example]\n  rules: [{respond: {status: ${status}}}]\n`;
const options = { file: 'request', atomic: false, dryRun: false };

/** A store that takes a turn to write, and whose snapshot follows the write. */
function bench(texts: Readonly<Record<string, string>> = {}, full: (path: string) => boolean = () => false) {
  const documents = new Map<string, ObjectDocument>(
    Object.entries(texts).map(([path, text]) => [path, { path, text }]),
  );
  const snapshot = (): ObjectSnapshot => ({
    source: 'store',
    revision: '1',
    complete: true,
    documents: new Map(documents),
  });
  let shown = snapshot();
  const store: ObjectStore = {
    name: 'store',
    run: () => Promise.resolve(),
    async put(document) {
      await Promise.resolve();
      if (full(document.path)) throw new AppError('CH1322', 'no space left');
      documents.set(document.path, document);
    },
    async remove(path) {
      await Promise.resolve();
      documents.delete(path);
    },
  };
  const objects: Objects = createObjects({
    store,
    snapshots: () => [shown],
    evaluate: () => undefined,
    settled: async () => {
      await Promise.resolve();
      shown = snapshot();
    },
  });
  const names = (): string[] => objects.list().map(({ namespace, name }) => `${namespace}/${name}`);
  return { objects, documents, names };
}

describe('writes of objects', () => {
  it('gives every object a file of its own, also where names run into each other', async () => {
    const { objects, names } = bench();
    await objects.apply(route('b-c', 200, 'a'), options);
    await objects.apply(`${route('c', 200, 'a-b')}---\n${route('Shop')}---\n${route('shop')}`, options);
    expect(names().sort()).toEqual(['a-b/c', 'a/b-c', 'default/Shop', 'default/shop']);
  });

  it('never writes over a file that holds something else', async () => {
    const { objects, names } = bench({ 'route-default-shop.yaml': route('kept') });
    await objects.apply(route('shop'), options);
    expect(names().sort()).toEqual(['default/kept', 'default/shop']);
  });

  it('makes file names that file systems take', async () => {
    const { objects, documents } = bench();
    const [one, two] = [`${'n'.repeat(240)}1`, `${'n'.repeat(240)}2`];
    await objects.apply(
      `${route('x').replace('name: x', `name: ${one}`)}---\n${route('x').replace('name: x', `name: ${two}`)}`,
      options,
    );
    expect(documents.size).toBe(2);
    for (const path of documents.keys()) expect(path.length).toBeLessThanOrEqual(200);
  });

  it('loses nothing when two writes change one file at the same time', async () => {
    const { objects, documents } = bench({ 'all.yaml': `${route('one')}---\n${route('two')}---\n${route('three')}` });
    await Promise.all([
      objects.apply(route('one', 201), options),
      objects.apply(route('two', 202), options),
      objects.remove('Route', 'default', 'three'),
    ]);
    const text = documents.get('all.yaml')?.text ?? '';
    expect(text).toContain('status: 201');
    expect(text).toContain('status: 202');
    expect(text).not.toContain('three');
  });

  it('goes on after a write that failed', async () => {
    const { objects, names } = bench({}, (path) => path.includes('full'));
    const failed = expect(objects.apply(route('full'), options)).rejects.toThrow('no space left');
    const next = objects.apply(route('fine'), options);
    await failed;
    await next;
    expect(names()).toEqual(['default/fine']);
  });

  it('takes an atomic apply back when the store fails half-way', async () => {
    const { objects, documents } = bench({ 'one.yaml': route('one') }, (path) => path.includes('full'));
    const text = `${route('one', 201)}---\n${route('new')}---\n${route('full')}`;
    await expect(objects.apply(text, { ...options, atomic: true })).rejects.toThrow('no space left');
    expect([...documents].map(([path, document]) => [path, document.text])).toEqual([['one.yaml', route('one')]]);
  });

  it('refuses the second of two objects that are the same one', async () => {
    const { objects, names } = bench();
    const { objects: lines, problems } = await objects.apply(`${route('one')}---\n${route('one', 201)}`, options);
    expect(lines.map(({ result }) => result)).toEqual(['created', 'refused']);
    expect(problems.map(({ code }) => code)).toEqual(['CH1101']);
    expect(names()).toEqual(['default/one']);
  });
});
