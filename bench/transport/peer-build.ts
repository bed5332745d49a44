// Builds the go-control-plane peer of bench/peer into the cache, once for each content of its sources.
// Invariant: without Go there is no peer and the reason is told; nothing else of the benchmark depends on it.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheRoot, goEnvironment } from '../../scripts/parts.mjs';
import { placeWhole, run, withLock } from '../../scripts/steps.mjs';

const source = fileURLToPath(new URL('../peer/', import.meta.url));

export type Peer = { readonly path: string; readonly versions: string } | { readonly missing: string };

export async function buildPeer(): Promise<Peer> {
  const hash = createHash('sha256');
  for (const file of readdirSync(source).sort()) hash.update(file).update(readFileSync(join(source, file)));
  const folder = join(
    cacheRoot(),
    'xds-peer',
    `${hash.digest('hex').slice(0, 16)}-${process.platform}-${process.arch}`,
  );
  const path = join(folder, 'xds-peer');
  try {
    const go = /go\S*\d/.exec(await run('go', ['version'], { env: { ...process.env, GOTOOLCHAIN: 'local' } }))?.[0];
    await withLock(`${folder}.lock`, async () => {
      if (existsSync(path)) return;
      console.log('building the go-control-plane peer, once (about a minute)');
      const env = goEnvironment();
      await placeWhole(folder, async (temporary) => {
        await run('go', ['build', '-trimpath', '-o', join(temporary, 'xds-peer'), '.'], { cwd: source, env });
      });
    });
    const wanted = readFileSync(join(source, 'go.mod'), 'utf8').matchAll(/^\s+\S+\/(go-control-plane|grpc) (v\S+)/gm);
    return { path, versions: [go, ...[...wanted].map(([, name, version]) => `${name} ${version}`)].join(', ') };
  } catch (error) {
    return { missing: error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error) };
  }
}
