import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { placeWhole, withLock } from '../../../scripts/steps.mjs';
import { createTempDir } from '../../support/temp-dir.ts';

describe('withLock', () => {
  it('lets one run in at a time, and the next one after it', async () => {
    using dir = createTempDir('lock');
    const file = join(dir.path, 'lock');
    const seen: string[] = [];
    const gate = Promise.withResolvers<void>();
    const first = withLock(file, async () => {
      seen.push('first in');
      await gate.promise;
      seen.push('first out');
    });
    const second = withLock(
      file,
      async () => void seen.push('second in'),
      (pid) => {
        seen.push(`waits for ${pid === process.pid}`);
        gate.resolve();
      },
    );
    await Promise.all([first, second]);
    expect(seen).toEqual(['first in', 'waits for true', 'first out', 'second in']);
    expect(existsSync(file)).toBe(false);
  });

  it('takes over from a run that is gone, and frees the lock after a failure', async () => {
    using dir = createTempDir('lock');
    const file = join(dir.path, 'lock');
    // Above the highest process id that Linux gives out.
    writeFileSync(file, '4194305');
    await expect(withLock(file, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    expect(existsSync(file)).toBe(false);
  });
});

describe('placeWhole', () => {
  it('puts a folder in place only when it is complete', async () => {
    using dir = createTempDir('place');
    const folder = join(dir.path, 'part');
    await expect(
      placeWhole(folder, async (temporary) => {
        writeFileSync(join(temporary, 'half'), '');
        throw new Error('interrupted');
      }),
    ).rejects.toThrow('interrupted');
    expect(readdirSync(dir.path)).toEqual([]);
    await placeWhole(folder, async (temporary) => writeFileSync(join(temporary, 'file'), 'a'));
    await placeWhole(folder, async (temporary) => writeFileSync(join(temporary, 'file'), 'b'));
    expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('b');
  });

  it('sweeps what dead runs left, and nothing else', async () => {
    using dir = createTempDir('place');
    for (const name of ['part.tmp-4194305', `part.tmp-${process.ppid}`, 'other.tmp-4194305'])
      mkdirSync(join(dir.path, name));
    await placeWhole(join(dir.path, 'part'), async () => {});
    expect(readdirSync(dir.path).sort()).toEqual(['other.tmp-4194305', 'part', `part.tmp-${process.ppid}`].sort());
  });
});
