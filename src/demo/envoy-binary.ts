// Where Envoy is: ENVOY_BIN, the cache that `npm start` fills, PATH. It fetches nothing.
// Invariant: the answer is a file that exists, or CH1610 with every place that was tried.
import { accessSync, constants, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { AppError } from '../util/errors.ts';

type Environment = Readonly<Record<string, string | undefined>>;

function runnable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Newest first: `1.40.0-linux-x64`, `1.36.2-linux-x64`. */
function cached(environment: Environment): string[] {
  const cache =
    environment['CHANCERY_CACHE'] ?? join(environment['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'chancery');
  try {
    return readdirSync(join(cache, 'envoy'))
      .sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))
      .map((version) => join(cache, 'envoy', version, 'envoy/_bin/envoy'));
  } catch {
    return [];
  }
}

export function findEnvoy(environment: Environment): string {
  const named = environment['ENVOY_BIN'];
  const onPath = (environment['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'envoy'));
  const tried = named ? [named] : [...cached(environment), ...onPath];
  const found = tried.find(runnable);
  if (found === undefined)
    throw new AppError('CH1610', `no Envoy in ${named ? `ENVOY_BIN (${named})` : 'the cache and on PATH'}`);
  return found;
}
