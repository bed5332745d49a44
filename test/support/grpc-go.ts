// The test client that stands on grpc-go: its program under test/clients/grpc-go, built once with Go into the cache.
// A machine without Go skips the tests that need it, by name (`describeWithGo`).
// Invariant: the binary in the cache is that of the very sources here; others are never used.
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe } from 'vitest';
import { cacheRoot, goEnvironment } from '../../scripts/parts.mjs';
import { placeWhole, run, withLock } from '../../scripts/steps.mjs';

const sources = fileURLToPath(new URL('../clients/grpc-go/', import.meta.url));

/** Building it took 40 s on two idle cores; with everything else that a full run does beside it, more. */
export const grpcGoBuildMs = 300_000;

function executable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function goThere(): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((dir) => dir !== '' && executable(join(dir, 'go')));
}

function place(): string {
  const hash = createHash('sha256');
  for (const file of readdirSync(sources).sort()) hash.update(file).update(readFileSync(join(sources, file)));
  const name = `${hash.digest('hex').slice(0, 16)}-${process.platform}-${process.arch}`;
  return join(cacheRoot(), 'grpc-go-client', name);
}

/** The path of the program; builds it where it is not in the cache. */
export async function grpcGoClient(): Promise<string> {
  const folder = place();
  const binary = join(folder, 'client');
  await withLock(`${folder}.lock`, async () => {
    if (existsSync(binary)) return;
    await placeWhole(folder, async (temporary: string) => {
      const args = ['build', '-trimpath', '-ldflags', '-s -w', '-o', join(temporary, 'client'), '.'];
      await run('go', args, { cwd: sources, env: goEnvironment(), lowPriority: true });
    });
  });
  return binary;
}

/** `describe` for tests that need a program built with Go, or one built before. */
export function describeWithGo(name: string, fn: () => void): void {
  if (goThere() || existsSync(join(place(), 'client'))) describe(name, fn);
  else describe.skip(`${name} [skipped: no go on PATH to build the client with]`, fn);
}
