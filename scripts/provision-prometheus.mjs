// Prometheus for the tests of what is scraped and drawn: $PROMETHEUS_BIN, PATH, the cache, else Debian's package unpacked into the
// cache (no root). It is no part of what `npm start` needs, and where it cannot be had its tests are skipped by name.
// Invariant: promtool lies beside prometheus, from the same package.
import { accessSync, constants, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { cacheRoot, versionOf } from './parts.mjs';
import { placeWhole, run, withLock } from './steps.mjs';

const folder = join(cacheRoot(), 'prometheus', `debian-${process.platform}-${process.arch}`);

function usable(path) {
  const promtool = join(dirname(path), 'promtool');
  try {
    accessSync(path, constants.X_OK);
    accessSync(promtool, constants.X_OK);
  } catch {
    return undefined;
  }
  const version = versionOf(path);
  return version === undefined ? undefined : { path, promtool, version };
}

/** `{ path, promtool, version }`, or undefined when it is nowhere; fetches nothing. */
export function findPrometheus(env = process.env) {
  const onPath = (env.PATH ?? '').split(delimiter).filter((entry) => entry !== '');
  const candidates = [
    env.PROMETHEUS_BIN,
    ...onPath.map((entry) => join(entry, 'prometheus')),
    join(folder, 'prometheus'),
  ];
  for (const candidate of candidates) {
    const found = candidate !== undefined && existsSync(candidate) ? usable(candidate) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Finds it or fetches Debian's package; `{ missing: reason }` when it cannot be had. */
export async function ensurePrometheus() {
  const found = findPrometheus();
  if (found !== undefined) return found;
  const work = mkdtempSync(join(tmpdir(), 'chancery-prometheus-'));
  try {
    await withLock(
      `${folder}.lock`,
      async () => {
        if (findPrometheus() !== undefined) return;
        // Tests wait for this: a machine without a mirror must hear so soon.
        const patience = [
          '-o',
          'Acquire::http::Timeout=20',
          '-o',
          'Acquire::https::Timeout=20',
          '-o',
          'Acquire::Retries=1',
        ];
        await run('apt-get', [...patience, 'download', 'prometheus'], { cwd: work });
        await run('sh', ['-c', 'dpkg -x prometheus_*.deb root'], { cwd: work });
        await placeWhole(folder, async (temporary) => {
          await run('cp', ['prometheus', 'promtool', `${temporary}/`], { cwd: join(work, 'root/usr/bin') });
        });
      },
      () => {},
    );
  } catch (error) {
    return { missing: `Debian's package prometheus: ${error instanceof Error ? error.message : String(error)}` };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return findPrometheus() ?? { missing: 'what Debian has does not run here' };
}
