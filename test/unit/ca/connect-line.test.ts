// A few at a time, and the most needed first.
import { expect, it } from 'vitest';
import { createConnectLine } from '../../../src/ca/connect-line.ts';

it('works on a few at a time, the most needed first, also after failures', async () => {
  const line = createConnectLine(2);
  const begun: string[] = [];
  const ends = new Map<string, PromiseWithResolvers<void>>();
  const work = (name: string) => (): Promise<void> => {
    begun.push(name);
    const end = Promise.withResolvers<void>();
    ends.set(name, end);
    return end.promise;
  };
  const all = [
    line('routine', work('a')),
    line('routine', work('b')),
    line('routine', work('c')),
    line('rotation', work('d')),
    line('none-yet', work('e')),
  ];
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  expect(begun).toEqual(['a', 'b']);
  ends.get('a')?.reject(new Error('no answer'));
  await expect(all[0]).rejects.toThrow('no answer');
  await settle();
  expect(begun).toEqual(['a', 'b', 'e']);
  ends.get('e')?.resolve();
  await settle();
  ends.get('b')?.resolve();
  await settle();
  expect(begun).toEqual(['a', 'b', 'e', 'd', 'c']);
  ends.get('d')?.resolve();
  ends.get('c')?.resolve();
  await Promise.all(all.slice(1));
  const after = [line('routine', work('f')), line('routine', work('g'))];
  expect(begun.slice(5)).toEqual(['f', 'g']);
  for (const end of ends.values()) end.resolve();
  await Promise.all(after);
});
