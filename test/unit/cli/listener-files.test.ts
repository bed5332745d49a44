import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Roots, ServerCertificate } from '../../../src/ca/contract.ts';
import { createListenerFiles, type ListenerFiles } from '../../../src/cli/listener-files.ts';
import { silentLogger } from '../../../src/util/log.ts';
import { eventuallyPasses } from '../../support/eventually.ts';
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';

const hour = 3_600_000;

describe('the files of the xDS port', () => {
  let dir: TempDir;
  let clock: FakeClock;
  let broken: boolean;
  let issued: number;
  let root: string;
  let rootsListener: ((roots: Roots) => void) | undefined;
  let files: ListenerFiles;
  let stop: AbortController;

  beforeEach(() => {
    dir = createTempDir('listener-files');
    clock = createFakeClock();
    stop = new AbortController();
    [broken, issued, root, rootsListener] = [false, 0, 'root one', undefined];
    const roots = (): Roots => ({
      generation: 1,
      roots: [{ certificate: Buffer.from(root), keyId: root, notAfterMs: clock.wall() + 1e6 * hour }],
    });
    const authority = {
      roots,
      onRoots(listener: (roots: Roots) => void) {
        rootsListener = listener;
        return () => {};
      },
      async issueServer(): Promise<ServerCertificate> {
        if (broken) throw new Error('no authority');
        issued++;
        const now = clock.wall();
        return {
          chain: [Buffer.from(`leaf ${issued}`), Buffer.from('intermediate')],
          key: Buffer.from(`key ${issued}`),
          notAfterMs: now + 24 * hour,
          renewAtMs: now + 12 * hour,
        };
      },
    };
    const folder = join(dir.path, 'xds');
    files = createListenerFiles(
      { clock, random: () => 0.5, log: silentLogger, authority },
      { folder, dns: ['localhost'], ips: [], uri: 'spiffe://mesh.local/chancery' },
    );
  });
  afterEach(() => {
    stop.abort();
    dir.remove();
  });
  const text = (path: string): string =>
    readFileSync(path, 'utf8').replaceAll(/-----BEGIN [A-Z ]+-----\n|\n-----END [A-Z ]+-----/g, '');
  const decoded = (path: string): string[] =>
    text(path)
      .trim()
      .split('\n')
      .map((line) => Buffer.from(line, 'base64').toString());

  it('are there once it is open, for their owner only', async () => {
    await files.open();
    expect(decoded(files.paths.cert)).toEqual(['leaf 1', 'intermediate']);
    expect(decoded(files.paths.key)).toEqual(['key 1']);
    expect(decoded(files.paths.roots)).toEqual(['root one']);
    for (const path of Object.values(files.paths)) expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(dir.path, 'xds')).mode & 0o777).toBe(0o700);
    expect(readdirSync(join(dir.path, 'xds')).sort()).toEqual(['certificate.pem', 'key.pem', 'roots.pem']);
  });

  it('are renewed in time, and stay while they cannot be', async () => {
    await files.open();
    void files.run(stop.signal);
    await clock.advanceAsync(12 * hour - 1);
    expect(issued).toBe(1);
    broken = true;
    await clock.advanceAsync(hour);
    expect(decoded(files.paths.cert)[0]).toBe('leaf 1');
    broken = false;
    await clock.advanceAsync(60_001);
    await eventuallyPasses(() => expect(decoded(files.paths.cert)[0]).toBe('leaf 2'));
    expect(decoded(files.paths.key)).toEqual(['key 2']);
  });

  it('are of the root that signs, as soon as another one does', async () => {
    await files.open();
    void files.run(stop.signal);
    const of = (keyId: string) => ({ certificate: Buffer.from(keyId), keyId, notAfterMs: clock.wall() + hour });
    rootsListener?.({ generation: 2, roots: [of('root one'), of('root two')] });
    await clock.advanceAsync(hour);
    expect(issued).toBe(1);
    root = 'root two';
    rootsListener?.({ generation: 3, roots: [of('root two'), of('root one')] });
    await eventuallyPasses(() => expect(decoded(files.paths.cert)[0]).toBe('leaf 2'));
    await clock.advanceAsync(hour);
    expect(issued).toBe(2);
  });

  it('have the roots of now', async () => {
    await files.open();
    void files.run(stop.signal);
    root = 'root two';
    rootsListener?.({ generation: 2, roots: [] });
    await eventuallyPasses(() => expect(decoded(files.paths.roots)).toEqual(['root two']));
  });
});
