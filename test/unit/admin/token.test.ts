// The token file: made once, private, refused when it is not.
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ensureToken } from '../../../src/admin/token.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';

describe('ensureToken', () => {
  let dir: TempDir;
  beforeEach(() => {
    dir = createTempDir('token');
  });
  afterEach(() => dir.remove());

  it('makes a private file and keeps it', async () => {
    const path = join(dir.path, 'state', 'token');
    const made = await ensureToken(path);
    expect(made).toMatchObject({ path, created: true });
    expect(made.token).toMatch(/^[\w-]{43}$/);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(dir.path, 'state')).mode & 0o777).toBe(0o700);
    expect(readFileSync(path, 'utf8').trim()).toBe(made.token);
    expect(await ensureToken(path)).toEqual({ ...made, created: false });
  });

  it('makes another one each time', async () => {
    const one = await ensureToken(join(dir.path, 'a'));
    const two = await ensureToken(join(dir.path, 'b'));
    expect(one.token).not.toBe(two.token);
  });

  it.each([
    ['read by others', 0o644, 'x\n'],
    ['is empty', 0o600, '\n'],
  ])('refuses a file that %s', async (reason, mode, text) => {
    const path = join(dir.path, 'token');
    writeFileSync(path, text);
    chmodSync(path, mode);
    await expect(ensureToken(path)).rejects.toMatchObject({ code: 'CH1612', message: expect.stringContaining(reason) });
  });

  it('says so when the directory cannot be made', async () => {
    writeFileSync(join(dir.path, 'file'), '');
    await expect(ensureToken(join(dir.path, 'file', 'token'))).rejects.toMatchObject({ code: 'CH1612' });
  });
});
