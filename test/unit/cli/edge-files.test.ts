// Which files are read for an edge: what objects name, but nothing of the control plane's own, by whatever path.
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createEdgeFiles, tokenKeys } from '../../../src/cli/edge-files.ts';
import { replaceFile } from '../../support/certificates.ts';
import { createTempDir } from '../../support/temp-dir.ts';

describe('files of edge certificates', () => {
  const dir = createTempDir('edge-files');
  afterAll(() => dir.remove());
  const at = (...parts: readonly string[]): string => join(dir.path, ...parts);
  mkdirSync(at('state', 'xds'), { recursive: true });
  mkdirSync(at('state-of-others'));
  for (const path of [at('state', 'xds', 'key.pem'), at('state-of-others', 'key.pem'), at('key.pem'), at('own.pem')])
    writeFileSync(path, 'text');
  symlinkSync(at('state', 'xds', 'key.pem'), at('linked.pem'));
  symlinkSync(at('state'), at('linked-state'));
  execFileSync('mkfifo', [at('pipe')]);
  const files = createEdgeFiles([at('state'), at('missing'), at('own.pem')]);

  it.each([at('key.pem'), at('state-of-others', 'key.pem')])('are read: %s', async (path) => {
    expect(await files.read(path)).toBe('text');
  });

  it.each([
    at('state', 'xds', 'key.pem'),
    at('state-of-others', '..', 'state', 'xds', 'key.pem'),
    at('linked.pem'),
    at('own.pem'),
    at('linked-state', 'xds', 'key.pem'),
  ])('T1: are never the keys of the control plane: %s', async (path) => {
    await expect(files.read(path)).rejects.toThrow('is a file of the control plane');
  });

  it('are files, and there', async () => {
    await expect(files.read(at('state-of-others'))).rejects.toThrow('is no file');
    await expect(files.read(at('pipe'))).rejects.toThrow('is no file');
    await expect(files.read(at('nowhere.pem'))).rejects.toThrow('cannot be read');
  });

  it('of keys of issuers are read within their own bounds', async () => {
    const keys = createEdgeFiles([], tokenKeys);
    expect(await keys.read(at('key.pem'))).toBe('text');
    writeFileSync(at('large.json'), ' '.repeat(65_537));
    await expect(keys.read(at('large.json'))).rejects.toThrow('[CH1252]');
    await expect(keys.read(at('large.json'))).rejects.toThrow('is too large for a set of keys');
    expect(await files.read(at('large.json'))).toHaveLength(65_537);
  });

  it('have another fingerprint when they are replaced by rename', async () => {
    const before = await files.fingerprint([at('key.pem'), at('nowhere.pem')]);
    expect(await files.fingerprint([at('key.pem'), at('nowhere.pem')])).toBe(before);
    replaceFile(at('state-of-others', 'key.pem'), at('key.pem'));
    expect(await files.fingerprint([at('key.pem'), at('nowhere.pem')])).not.toBe(before);
  });
});
