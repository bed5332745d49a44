// The real components that tests and the demo use: which versions, where they lie in the cache, how they name themselves.
// Plain JavaScript because it runs before anything is installed. It only looks; scripts/provision.mjs fetches.
// Invariant: a component is found in this order: its variable, PATH (a fitting version), the cache.
import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

const platform = `${process.platform}-${process.arch}`;
const exe = process.platform === 'win32' ? '.exe' : '';

/** name -> { title, version, variable, file: path inside its cache folder, accepts(version), command: the name on PATH }. */
export const parts = {
  envoy: {
    title: 'Envoy',
    version: '1.40.0',
    variable: 'ENVOY_BIN',
    command: 'envoy',
    folder: 'envoy',
    file: `envoy/_bin/envoy${exe}`,
    accepts: (version) => /^1\.(3[6-9]|40)\./.test(version),
  },
  'envoy-oldest': {
    title: 'Envoy (oldest supported)',
    version: '1.36.2',
    variable: 'ENVOY_OLDEST_BIN',
    command: undefined,
    folder: 'envoy',
    file: `envoy/_bin/envoy${exe}`,
    accepts: (version) => version.startsWith('1.36.'),
  },
  consul: {
    title: 'Consul',
    version: '1.22.7',
    variable: 'CONSUL_BIN',
    command: 'consul',
    folder: 'consul',
    file: `consul${exe}`,
    accepts: (version) => /^1\.(1[89]|2\d)\./.test(version),
  },
  etcd: {
    title: 'etcd',
    version: '3.6.16',
    variable: 'ETCD_BIN',
    command: 'etcd',
    folder: 'etcd',
    file: `etcd${exe}`,
    accepts: (version) => /^3\.[4-9]\./.test(version),
  },
};

/** The cache's root: $CHANCERY_CACHE, else the user's cache folder. Never inside the project. */
export function cacheRoot(env = process.env) {
  if (env.CHANCERY_CACHE) return env.CHANCERY_CACHE;
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'chancery');
}

/**
 * What Go builds with: its modules and results in the cache unless said otherwise, versions as they are pinned, no C, and no
 * other toolchain than the one that is there.
 */
export function goEnvironment(env = process.env) {
  return {
    ...env,
    GOMODCACHE: env.GOMODCACHE ?? join(cacheRoot(env), 'go/mod'),
    GOCACHE: env.GOCACHE ?? join(cacheRoot(env), 'go/build'),
    GOFLAGS: `${env.GOFLAGS ?? ''} -mod=readonly -modcacherw`.trim(),
    GOTOOLCHAIN: 'local',
    CGO_ENABLED: '0',
  };
}

/** The folder of one component in the cache. */
export function cacheFolder(name, version = parts[name].version, env = process.env) {
  return join(cacheRoot(env), parts[name].folder, `${version}-${platform}`);
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The version a binary says of itself (`1.40.0`), or undefined when it does not run. */
export function versionOf(file) {
  for (const args of [['--version'], ['version']]) {
    try {
      const text = execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 20_000 });
      const match = /(?:^|[^\d.])(\d+\.\d+\.\d+)/.exec(text);
      if (match) return match[1];
    } catch {
      // Not every binary knows both spellings; the caller reports what was looked at.
    }
  }
  return undefined;
}

/**
 * Looks for a component without fetching anything.
 * Returns { path, version, from: 'variable' | 'PATH' | 'cache' }, or { missing: reason, tried: [...] }.
 */
export function findPart(name, env = process.env) {
  const part = parts[name];
  const tried = [];
  const given = env[part.variable];
  if (given) {
    const version = isExecutable(given) ? versionOf(given) : undefined;
    if (version !== undefined) return { path: given, version, from: 'variable' };
    return { missing: `${part.variable}=${given} does not run`, tried: [`${part.variable}=${given}`] };
  }
  tried.push(`$${part.variable} (not set)`);
  if (part.command !== undefined) {
    for (const dir of (env.PATH ?? '').split(delimiter)) {
      const file = join(dir, part.command + exe);
      if (dir === '' || !isExecutable(file)) continue;
      const version = versionOf(file);
      if (version !== undefined && part.accepts(version)) return { path: file, version, from: 'PATH' };
      tried.push(`${file} (version ${version ?? 'unknown'} does not fit)`);
    }
    tried.push(`${part.command} on PATH`);
  }
  // etcd has a second source, Debian's package, whose folder bears its own version.
  const versions = name === 'etcd' ? [part.version, 'debian'] : [part.version];
  for (const version of versions) {
    const file = join(cacheFolder(name, version, env), part.file);
    if (isExecutable(file))
      return { path: file, version: version === 'debian' ? versionOf(file) : version, from: 'cache' };
    tried.push(file);
  }
  return { missing: `${part.title} ${part.version} is not on this machine`, tried };
}
