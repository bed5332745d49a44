// A Docker engine of the test's own, in namespaces of its own for network, processes and mounts, with images made from the binaries on this machine under the
// names that docker-compose.yml pulls. No registry is asked. Needs root and Linux; the engine is on PATH or Debian's, unpacked.
// Invariant: nothing is left running, mounted or on disk after `stop`.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { eventually, startProcess } from '../support/real-parts.ts';
import { createTempDir } from '../support/temp-dir.ts';

const debs = ['docker.io', 'containerd', 'runc', 'iptables', 'libip6tc2', 'libip4tc2', 'libiptc0', 'tini'];
const libraries = ['libnetfilter-conntrack3', 'libnfnetlink0', 'libnftnl11'];
const tools = [
  'bash',
  'sh',
  'ls',
  'cat',
  'mkdir',
  'chown',
  'chmod',
  'ln',
  'tee',
  'grep',
  'tail',
  'env',
  'tar',
  'sleep',
];

export interface PrivateEngine {
  /** For docker and docker-compose. */
  readonly env: NodeJS.ProcessEnv;
  docker(...args: string[]): string;
  /** Runs a command in the engine's network, where published ports are. */
  inside(...command: readonly string[]): string;
  stop(): Promise<void>;
}

/** Unpacks Debian's engine under `folder`; throws when the packages cannot be had. */
function unpack(folder: string): string {
  const archives = join(folder, 'archives');
  const root = join(folder, 'root');
  mkdirSync(archives, { recursive: true });
  execFileSync('apt-get', ['-o', 'Acquire::http::Timeout=20', 'download', ...debs, ...libraries], {
    cwd: archives,
    stdio: 'ignore',
  });
  for (const name of readdirSync(archives)) execFileSync('dpkg', ['-x', join(archives, name), root]);
  for (const name of ['iptables', 'ip6tables']) {
    rmSync(join(root, 'usr/sbin', name), { force: true });
    symlinkSync('xtables-nft-multi', join(root, 'usr/sbin', name));
  }
  return root;
}

export async function startPrivateEngine(): Promise<PrivateEngine> {
  const dir = createTempDir('engine');
  const root = unpack(dir.path);
  const usr = join(root, 'usr');
  const library = join(usr, `lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`);
  const env = {
    ...process.env,
    PATH: `${join(usr, 'bin')}:${join(usr, 'sbin')}:${process.env['PATH']}`,
    LD_LIBRARY_PATH: library,
    XTABLES_LIBDIR: join(library, 'xtables'),
  };
  const socket = join(dir.path, 'docker.sock');
  const pidFile = join(dir.path, 'docker.pid');
  const place = ['data-root', 'exec-root'].flatMap((name) => [`--${name}`, join(dir.path, name)]);
  const script = `ip link set lo up && exec dockerd ${place.join(' ')} -p ${pidFile} -H unix://${socket}`;
  // Its end is the end of all that it started: asked to stop its containers in order, an engine once did not come back.
  const own = ['--net', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const engine = await startProcess('dockerd', ['unshare', ...own, 'sh', '-c', script], { env });
  const clientEnv = { ...process.env, PATH: env.PATH, DOCKER_HOST: `unix://${socket}`, DOCKER_BUILDKIT: '0' };
  const docker = (...args: string[]): string =>
    execFileSync('docker', args, {
      env: clientEnv,
      encoding: 'utf8',
      maxBuffer: 1 << 26,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  const stop = async (): Promise<void> => {
    await engine.kill();
    dir.remove();
  };
  try {
    await eventually(
      () => {
        if (engine.exit() !== undefined) throw new Error(engine.logs());
        return docker('version') !== '';
      },
      { deadlineMs: 60_000, everyMs: 500 },
    );
  } catch (error) {
    await stop();
    throw error;
  }
  const inside = (...command: readonly string[]): string =>
    execFileSync('nsenter', ['-t', String(engine.pid), '-n', ...command], { encoding: 'utf8' });
  return { env: clientEnv, docker, inside, stop };
}

/** Copies a program and the libraries it names into `base`, under /usr/bin. */
function place(base: string, file: string, name = basename(file)): void {
  copyFileSync(file, join(base, 'usr/bin', name));
  chmodSync(join(base, 'usr/bin', name), 0o755);
  let named = '';
  try {
    named = execFileSync('ldd', [file], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    // A static program names none.
  }
  for (const [library] of named.matchAll(/\/\S+/g)) {
    mkdirSync(join(base, dirname(library)), { recursive: true });
    if (!existsSync(join(base, library))) copyFileSync(library, join(base, library));
  }
}

export interface StandIn {
  readonly tag: string;
  /** Lines of a Dockerfile after FROM. */
  readonly lines?: readonly string[];
}

export interface StandIns {
  /** name in /usr/bin -> file. */
  readonly programs: Readonly<Record<string, string>>;
  /** name -> text of an executable script in /usr/bin. */
  readonly scripts: Readonly<Record<string, string>>;
  /** path in the image -> folder or file. */
  readonly files: Readonly<Record<string, string>>;
  readonly images: readonly StandIn[];
}

/** One image of the machine's own programs, under every tag asked for. */
export function makeStandIns(engine: PrivateEngine, wanted: StandIns): void {
  using dir = createTempDir('stand-in');
  const base = join(dir.path, 'base');
  for (const folder of ['bin', 'usr/bin', 'usr/local/bin', 'etc', 'tmp', 'root', 'proc', 'sys', 'dev', 'var'])
    mkdirSync(join(base, folder), { recursive: true });
  chmodSync(join(base, 'tmp'), 0o1777);
  const which = (name: string): string => execFileSync('which', [name], { encoding: 'utf8' }).trim();
  for (const name of tools) place(base, which(name), name);
  for (const [name, file] of Object.entries(wanted.programs)) place(base, file, name);
  for (const [name, text] of Object.entries(wanted.scripts)) {
    writeFileSync(join(base, 'usr/bin', name), text, { mode: 0o755 });
  }
  for (const [path, from] of Object.entries(wanted.files)) {
    mkdirSync(join(base, dirname(path)), { recursive: true });
    cpSync(from, join(base, path), { recursive: true, verbatimSymlinks: true });
  }
  for (const name of ['bash', 'sh', 'prometheus']) symlinkSync(`/usr/bin/${name}`, join(base, 'bin', name));
  const users = ['root:x:0:0::/root:/bin/sh', 'node:x:1000:1000::/tmp:/bin/sh', 'nobody:x:65534:65534::/:/bin/sh'];
  writeFileSync(join(base, 'etc/passwd'), `${users.join('\n')}\n`);
  writeFileSync(join(base, 'etc/group'), 'root:x:0:\nnode:x:1000:\nnogroup:x:65534:\n');
  execFileSync('sh', ['-c', `tar c -C ${base} . | docker import - stand-in:base`], {
    env: engine.env,
    stdio: 'ignore',
  });
  for (const { tag, lines = [] } of wanted.images) {
    const context = join(dir.path, 'context');
    rmSync(context, { recursive: true, force: true });
    mkdirSync(context);
    const path = 'ENV PATH=/usr/local/bin:/usr/bin:/bin';
    writeFileSync(join(context, 'Dockerfile'), ['FROM stand-in:base', path, ...lines, ''].join('\n'));
    engine.docker('build', '-q', '-t', tag, context);
  }
}
