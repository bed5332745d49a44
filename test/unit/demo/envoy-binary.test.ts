// Where the demo looks for Envoy, in which order, and what it says when there is none.
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findEnvoy } from '../../../src/demo/envoy-binary.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';

describe('findEnvoy', () => {
  let dir: TempDir;
  const program = (path: string): string => {
    const full = join(dir.path, path);
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, '');
    chmodSync(full, 0o755);
    return full;
  };
  beforeEach(() => {
    dir = createTempDir('envoy-binary');
  });
  afterEach(() => dir.remove());

  it('takes ENVOY_BIN, then the newest of the cache, then PATH', () => {
    const onPath = program('bin/envoy');
    const environment = { PATH: join(dir.path, 'bin'), CHANCERY_CACHE: join(dir.path, 'cache') };
    expect(findEnvoy(environment)).toBe(onPath);
    program('cache/envoy/1.9.0-linux-x64/envoy/_bin/envoy');
    const newest = program('cache/envoy/1.40.0-linux-x64/envoy/_bin/envoy');
    expect(findEnvoy(environment)).toBe(newest);
    expect(findEnvoy({ ...environment, ENVOY_BIN: onPath })).toBe(onPath);
  });

  it('looks in the XDG cache folder', () => {
    const cached = program('chancery/envoy/1.40.0-linux-x64/envoy/_bin/envoy');
    expect(findEnvoy({ XDG_CACHE_HOME: dir.path })).toBe(cached);
  });

  it('names what was tried, and takes no other than the one named', () => {
    const none = { PATH: dir.path, CHANCERY_CACHE: dir.path };
    expect(() => findEnvoy(none)).toThrow('[CH1610] no Envoy in the cache and on PATH');
    program('envoy');
    expect(() => findEnvoy({ ...none, ENVOY_BIN: '/nowhere/envoy' })).toThrow('ENVOY_BIN (/nowhere/envoy)');
  });
});
