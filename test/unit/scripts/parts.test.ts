import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cacheFolder, cacheRoot, findPart } from '../../../scripts/parts.mjs';
import { createTempDir } from '../../support/temp-dir.ts';

/** A program that prints `text`, as the real ones do for --version. */
function program(file: string, text: string): string {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `#!/bin/sh\necho '${text}'\n`);
  chmodSync(file, 0o755);
  return file;
}

describe('findPart', () => {
  it('takes the variable first, and refuses one that does not run', () => {
    using dir = createTempDir('parts');
    const given = program(join(dir.path, 'my-consul'), 'Consul v1.20.1');
    expect(findPart('consul', { CONSUL_BIN: given })).toEqual({ path: given, version: '1.20.1', from: 'variable' });
    expect(findPart('consul', { CONSUL_BIN: join(dir.path, 'absent'), CHANCERY_CACHE: dir.path }).missing).toContain(
      'CONSUL_BIN',
    );
  });

  it('takes a fitting version on PATH, and says why another does not fit', () => {
    using dir = createTempDir('parts');
    const fitting = program(join(dir.path, 'new/envoy'), 'envoy  version: 0a1b2c/1.38.3/Clean/RELEASE/BoringSSL');
    program(join(dir.path, 'old/envoy'), 'envoy  version: 0a1b2c/1.20.0/Clean/RELEASE/BoringSSL');
    const env = { CHANCERY_CACHE: join(dir.path, 'cache') };
    expect(findPart('envoy', { ...env, PATH: join(dir.path, 'new') })).toMatchObject({ path: fitting, from: 'PATH' });
    const old = findPart('envoy', { ...env, PATH: join(dir.path, 'old') });
    expect(old.path).toBeUndefined();
    expect(old.missing).toBe('Envoy 1.40.0 is not on this machine');
    expect(JSON.stringify(old)).toContain('version 1.20.0 does not fit');
  });

  it('takes the cache last, with Debian’s etcd as a second choice', () => {
    using dir = createTempDir('parts');
    const env = { CHANCERY_CACHE: dir.path, PATH: '' };
    expect(findPart('etcd', env).path).toBeUndefined();
    const debian = program(join(cacheFolder('etcd', 'debian', env), 'etcd'), 'etcd Version: 3.4.23');
    expect(findPart('etcd', env)).toEqual({ path: debian, version: '3.4.23', from: 'cache' });
    const built = program(join(cacheFolder('etcd', undefined, env), 'etcd'), 'etcd Version: 3.6.16');
    expect(findPart('etcd', env)).toMatchObject({ path: built, from: 'cache' });
  });
});

describe('cacheRoot', () => {
  it('is never inside the project', () => {
    expect(cacheRoot({ CHANCERY_CACHE: '/a' })).toBe('/a');
    expect(cacheRoot({ XDG_CACHE_HOME: '/b' })).toBe('/b/chancery');
    expect(cacheRoot({})).toMatch(/\.cache\/chancery$/);
  });
});
