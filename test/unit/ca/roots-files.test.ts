// Roots in files: owners, modes, missing halves, and processes that start at once. The contract itself is
// test/conformance/ca-roots.test.ts.
import { spawn } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RootProvider } from '../../../src/ca/contract.ts';
import { createFileRoots } from '../../../src/ca/roots-files.ts';
import { generateKeyPair, pkcs8 } from '../../../src/ca/x509.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';
import { trustDomain, year } from './authority.ts';

const uid = process.geteuid?.();
let dir: TempDir;
let folder = '';
beforeEach(() => {
  dir = createTempDir('roots-files');
  folder = join(dir.path, 'state', 'ca');
});
afterEach(() => dir.remove());

const roots = (owner = uid): RootProvider =>
  createFileRoots({ clock: createFakeClock(), uid: owner }, { folder, trustDomain, lifeMs: 10 * year });
const at = (name: string): string => join(folder, 'root-1', name);
const content = (): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => [join(entry.parentPath, entry.name), readFileSync(join(entry.parentPath, entry.name), 'latin1')]),
  );

/** Expects that opening is refused with this code, and that nothing was changed. */
async function refused(code: string, provider = roots()): Promise<void> {
  const before = content();
  await expect(provider.open()).rejects.toMatchObject({ code });
  expect(content()).toEqual(before);
}

describe('T16: the files of a root', () => {
  it('are readable by their owner only, in folders of their owner only, and nothing else is left there', async () => {
    await roots().open();
    const mode = (path: string): number => statSync(path).mode & 0o777;
    expect([mode(folder), mode(at('.'))]).toEqual([0o700, 0o700]);
    expect([mode(at('key.pem')), mode(at('certificate.pem'))]).toEqual([0o600, 0o600]);
    expect(readdirSync(folder, { recursive: true }).sort()).toEqual([
      'root-1',
      'root-1/certificate.pem',
      'root-1/key.pem',
    ]);
  });

  it.each([
    ['the folder', () => folder, 0o755],
    ['the folder of the root', () => at('.'), 0o710],
    ['the key', () => at('key.pem'), 0o640],
    ['the key, for writing,', () => at('key.pem'), 0o602],
    ['the certificate', () => at('certificate.pem'), 0o604],
  ])('are refused when %s is open to others', async (_, path, mode) => {
    await roots().open();
    chmodSync(path(), mode);
    await refused('CH1802');
  });

  it('are not made in a folder that is open to others', async () => {
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    chmodSync(folder, 0o777);
    await refused('CH1802');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('are refused when they belong to somebody else', async () => {
    await roots().open();
    await refused('CH1802', roots((uid ?? 0) + 1));
  });

  it('are refused when the key is a link', async () => {
    await roots().open();
    const elsewhere = join(dir.path, 'key.pem');
    renameSync(at('key.pem'), elsewhere);
    symlinkSync(elsewhere, at('key.pem'));
    await refused('CH1813');
  });
});

describe('half a root', () => {
  beforeEach(() =>
    roots()
      .open()
      .then(() => undefined),
  );

  it('without its key is refused', async () => {
    rmSync(at('key.pem'));
    await refused('CH1801');
  });

  it('without its certificate is refused', async () => {
    rmSync(at('certificate.pem'));
    await refused('CH1803');
  });

  it('without both is refused: its folder says that there was one', async () => {
    rmSync(at('key.pem'));
    rmSync(at('certificate.pem'));
    await refused('CH1801');
  });

  it.each(['key.pem', 'certificate.pem'])('with an empty, cut or foreign %s is refused', async (name) => {
    const whole = readFileSync(at(name), 'utf8');
    for (const text of ['', whole.slice(0, whole.length >> 1), 'something else\n', '\0'.repeat(100)]) {
      writeFileSync(at(name), text);
      await refused('CH1803');
    }
  });

  it('with the key of another is refused, and the message has nothing of either', async () => {
    const other = Buffer.from(pkcs8(generateKeyPair().privateKey)).toString('base64');
    writeFileSync(at('key.pem'), `-----BEGIN PRIVATE KEY-----\n${other}\n-----END PRIVATE KEY-----\n`);
    await refused('CH1803');
    const error = (await roots()
      .open()
      .catch((reason: unknown) => reason)) as Error;
    expect(`${error.message} ${String(error.cause)}`).not.toContain(other.slice(60, 80));
  });

  it('that another program left as a file is refused', async () => {
    rmSync(at('.'), { recursive: true });
    writeFileSync(join(folder, 'root-1'), '');
    await refused('CH1813');
  });
});

describe('a folder that is there', () => {
  it('with what a start that was killed left behind is used all the same', async () => {
    mkdirSync(join(folder, '.new-killed'), { recursive: true, mode: 0o700 });
    chmodSync(folder, 0o700);
    writeFileSync(join(folder, '.new-killed', 'key.pem'), 'half', { mode: 0o600 });
    const { roots: made } = await roots().open();
    expect((await roots().open()).roots).toEqual(made);
  });

  it('that is a file is refused', async () => {
    mkdirSync(join(dir.path, 'state'));
    writeFileSync(folder, '');
    await expect(roots().open()).rejects.toMatchObject({ code: 'CH1813' });
  });
});

describe('processes that start at once', () => {
  it('agree on one root', { timeout: 60_000 }, async () => {
    const module = (path: string): string => JSON.stringify(new URL(`../../../src/${path}`, import.meta.url).href);
    const program = `
      import { createFileRoots } from ${module('ca/roots-files.ts')};
      import { createSystemClock } from ${module('util/system-clock.ts')};
      const options = { folder: ${JSON.stringify(folder)}, trustDomain: ${JSON.stringify(trustDomain)}, lifeMs: 86_400_000 };
      const provider = createFileRoots({ clock: createSystemClock(), uid: process.geteuid?.() }, options);
      process.stdout.write('ready');
      process.stdin.once('data', async () => {
        const { roots } = await provider.open();
        process.stdout.write(roots[0].keyId);
        process.stdin.destroy();
      });`;
    const started = Array.from({ length: 4 }, () => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      let text = '';
      child.stdout.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (text === 'ready') ready();
      });
      let ready = (): void => undefined;
      const isReady = new Promise<void>((resolve) => {
        ready = resolve;
      });
      const ended = new Promise<string>((resolve) => child.once('close', () => resolve(text)));
      return { child, isReady: Promise.race([isReady, ended]), ended };
    });
    await Promise.all(started.map(({ isReady }) => isReady));
    for (const { child } of started) child.stdin.write('go');
    const texts = await Promise.all(started.map(({ ended }) => ended));
    expect(new Set(texts).size).toBe(1);
    expect(texts[0]).toMatch(/^ready[0-9a-f]{64}$/);
    expect(readdirSync(folder)).toEqual(['root-1']);
  });
});
