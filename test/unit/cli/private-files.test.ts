// Files of credentials on a real disk: their modes, their replacement, and what is refused.
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createPrivateFiles } from '../../../src/cli/private-files.ts';
import { createTempDir } from '../../support/temp-dir.ts';

const modeOf = (path: string): number => statSync(path).mode & 0o777;

describe('private files', () => {
  it('are 0600 in a folder of 0700, and replaced whole', async () => {
    using place = createTempDir('private');
    const files = createPrivateFiles();
    const folder = join(place.path, 'a', 'b');
    await files.folder(folder);
    await files.folder(folder);
    await files.write(folder, 'token.json', 'one');
    const before = statSync(join(folder, 'token.json')).ino;
    await files.write(folder, 'token.json', 'two');
    expect([modeOf(folder), modeOf(join(folder, 'token.json'))]).toEqual([0o700, 0o600]);
    expect(readFileSync(join(folder, 'token.json'), 'utf8')).toBe('two');
    // Moved in place, which is what Envoy watches for, and nothing left beside it.
    expect(statSync(join(folder, 'token.json')).ino).not.toBe(before);
    expect(readdirSync(folder)).toEqual(['token.json']);
  });

  it('are not written where others may read', async () => {
    using place = createTempDir('private');
    const files = createPrivateFiles();
    const open = join(place.path, 'open');
    mkdirSync(open);
    chmodSync(open, 0o755);
    await expect(files.folder(open)).rejects.toThrow(/\[CH1854\].*open to others \(mode 755\)/);
    expect(modeOf(open)).toBe(0o755);
    const file = join(place.path, 'file');
    writeFileSync(file, '');
    symlinkSync(place.path, join(place.path, 'link'));
    for (const path of [file, join(place.path, 'link')])
      await expect(files.folder(path)).rejects.toThrow('is no folder');
    await expect(files.folder(join(file, 'x'))).rejects.toThrow('cannot be made');
  });

  it('T21: leave nothing behind, and nothing of their text in an error, where they cannot be written', async () => {
    using place = createTempDir('private');
    const files = createPrivateFiles();
    mkdirSync(join(place.path, 'token.json'));
    const failed = await files.write(place.path, 'token.json', 'canary').catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: 'CH1854' });
    expect(JSON.stringify(failed) + String((failed as Error).cause)).not.toContain('canary');
    expect(readdirSync(place.path)).toEqual(['token.json']);
  });
});
