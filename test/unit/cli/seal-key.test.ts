import { chmodSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keyReaders, localSealKey } from '../../../src/cli/seal-key.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';

describe('the key that seals', () => {
  let dir: TempDir;
  beforeEach(() => {
    dir = createTempDir('seal-key');
  });
  afterEach(() => dir.remove());

  it('is made once, with mode 0600, and is the same for whoever comes later', async () => {
    const [one, two] = await Promise.all([localSealKey(dir.path)(), localSealKey(join(dir.path, '.'))()]).catch(
      () => [],
    );
    const again = await localSealKey(dir.path)();
    expect(again).toHaveLength(32);
    expect(Buffer.from(again).equals(readFileSync(join(dir.path, 'seal.key')))).toBe(true);
    for (const key of [one, two]) if (key !== undefined) expect(Buffer.from(key).equals(Buffer.from(again))).toBe(true);
    expect(statSync(join(dir.path, 'seal.key')).mode & 0o777).toBe(0o600);
  });

  it('T16: is refused where others can read it, or half of it is left; nothing is made instead', async () => {
    const path = join(dir.path, 'seal.key');
    await localSealKey(dir.path)();
    chmodSync(path, 0o644);
    await expect(localSealKey(dir.path)()).rejects.toMatchObject({ code: 'CH1869' });
    chmodSync(path, 0o600);
    truncateSync(path, 7);
    await expect(localSealKey(dir.path)()).rejects.toMatchObject({ code: 'CH1869' });
    expect(statSync(path).size).toBe(7);
  });

  it('T16: is not made where something is to be opened with it', async () => {
    const key = localSealKey(dir.path);
    await expect(key('open')).rejects.toMatchObject({
      code: 'CH1869',
      message: expect.stringContaining(`${join(dir.path, 'seal.key')} is missing`),
    });
    expect(readdirSync(dir.path)).toEqual([]);
    // It is there once it was restored, or is first used to seal.
    expect(Buffer.from(await key()).equals(Buffer.from(await localSealKey(dir.path)('open')))).toBe(true);
  });

  it('that cannot be made says so, and where', async () => {
    const path = join(dir.path, 'file');
    writeFileSync(path, '');
    await expect(localSealKey(path)()).rejects.toMatchObject({
      code: 'CH1869',
      message: expect.stringContaining(`${join(path, 'seal.key')} cannot be made`),
    });
  });

  it('comes from a variable or a command, whose output is in no error', async () => {
    const readers = keyReaders({ KEK: 'abc' });
    expect(readers.environment('KEK')).toBe('abc');
    expect(readers.environment('OTHER')).toBeUndefined();
    expect(Buffer.from(await readers.command(['printf', 'canary'])).toString()).toBe('canary');
    await expect(readers.command(['sh', '-c', 'echo canary; echo canary >&2; exit 3'])).rejects.toSatisfy(
      (error: unknown) => error instanceof Error && error.message.includes('3') && !error.message.includes('canary'),
    );
  });
});
