// The READMEs under examples/, run as written: every `sh` block in order in one shell, in a copy of the repository's files, and what
// a `text` block below says must be what came out (`...` stands for anything). Ports are as written too: each run has a network of
// its own where the machine allows that, else it takes the machine's ports if they are free.
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createWorldBuilder } from '../../src/model/next-world.ts';
import { describeWith, type PartName } from '../support/real-parts.ts';
import { createTempDir } from '../support/temp-dir.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const examples = ['quickstart-files', 'consul', 'etcd', 'seed'] as const;
const parts: Readonly<Record<(typeof examples)[number], readonly PartName[]>> = {
  'quickstart-files': ['envoy'],
  consul: ['envoy', 'consul'],
  etcd: ['envoy', 'etcd'],
  seed: ['envoy'],
};
const deadlineMs = 120_000;

interface Block {
  readonly commands: string;
  /** Lines that must come out; undefined where the README shows none. */
  readonly expected?: readonly string[];
}

/** The `sh` blocks of a page, each with the `text` block that follows it. */
function blocks(page: string): readonly Block[] {
  const found = [...page.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)];
  return found.flatMap(([, language, body = ''], index) => {
    if (language !== 'sh') return [];
    const next = found[index + 1];
    const expected = next?.[1] === 'text' ? { expected: (next[2] ?? '').trimEnd().split('\n') } : {};
    return [{ commands: body, ...expected }];
  });
}

/** Whether a process can have a network of its own here, and the command that gives it one. */
function ownNetwork(): readonly string[] | undefined {
  const loopbackUp = "import fcntl,socket,struct;fcntl.ioctl(socket.socket(),0x8914,struct.pack('16sh16x',b'lo',0x41))";
  for (const flags of ['-n', '-rn']) {
    const command = ['unshare', flags, 'sh', '-c', `python3 -c "${loopbackUp}" && exec "$@"`, 'sh'];
    try {
      execFileSync(command[0] ?? '', [...command.slice(1), 'true'], { stdio: 'ignore' });
      return command;
    } catch {
      // Not allowed, or no such tool: the next way, or none.
    }
  }
  return undefined;
}

function portTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

const mark = '@@block@@';

interface Outcome {
  readonly code: number | null;
  /** What each block that ran to its end wrote on standard output. */
  readonly outputs: readonly string[];
  readonly all: string;
}

/** Runs the blocks in one bash; whatever it leaves behind is ended with its process group. */
function runBlocks(page: readonly Block[], folder: string): Promise<Outcome> {
  const script = page.map(({ commands }) => `${commands}printf '\\n%s\\n' '${mark}'\n`).join('\n');
  const [command, ...args] = [...(ownNetwork() ?? []), 'bash', '-e', '-c', script];
  const child = spawn(command, args, { cwd: folder, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let all = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    all += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    all += text;
  });
  const endGroup = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // The group is gone already: nothing was left behind.
    }
  };
  const timer = setTimeout(endGroup, deadlineMs);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => {
      clearTimeout(timer);
      endGroup();
      child.once('close', () => resolve({ code, outputs: out.split(`${mark}\n`).slice(0, -1), all }));
    });
  });
}

/** A copy of what the examples need: themselves, and links to the rest, so that nothing is written in the repository. */
function copyOf(name: string, to: string): string {
  cpSync(join(root, 'examples'), join(to, 'examples'), {
    recursive: true,
    filter: (path) => !path.endsWith('.chancery'),
  });
  for (const entry of [
    'bin',
    'scripts',
    'src',
    'schema',
    'tools',
    'proto',
    'node_modules',
    'package.json',
    'package-lock.json',
  ])
    symlinkSync(join(root, entry), join(to, entry));
  return join(to, 'examples', name);
}

function matches(line: string, pattern: string): boolean {
  const escaped = pattern.split('...').map((piece) => piece.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^\\s*${escaped.join('.*')}\\s*$`).test(line);
}

describe('the examples', () => {
  it('are all run here', () => {
    const folders = readdirSync(join(root, 'examples'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect(folders.map(({ name }) => name).sort()).toEqual([...examples].sort());
  });

  it.each(examples)('%s tells editors of the schema in every object file, and its objects have no mistake', (name) => {
    const folder = join(root, 'examples', name);
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
      (file) => /objects/.test(file) && file.endsWith('.yaml'),
    );
    expect(files.length).toBeGreaterThan(0);
    const documents = new Map(
      files.map((path) => [path, { path, text: readFileSync(join(folder, path), 'utf8') }] as const),
    );
    for (const [path, { text }] of documents) {
      const [, schema = ''] = /^# yaml-language-server: \$schema=(\S+)$/m.exec(text) ?? [];
      expect(schema, path).not.toBe('');
      expect(existsSync(join(folder, dirname(path), schema)), `${path}: ${schema}`).toBe(true);
    }
    const world = createWorldBuilder().next({
      registries: [],
      objects: [{ source: 'objects', revision: '1', complete: true, documents }],
    });
    expect(world.problems.filter(({ severity }) => severity === 'error')).toEqual([]);
  });
});

for (const name of examples) {
  describeWith(parts[name], `examples/${name}`, () => {
    it(
      'does what its README says',
      async (context) => {
        const page = blocks(readFileSync(join(root, 'examples', name, 'README.md'), 'utf8'));
        expect(page.length).toBeGreaterThan(3);
        if (ownNetwork() === undefined) {
          const ports = [18000, 18080, 10000, 9901, 9902, 9001, 9011, 9012, 8080, 8081, 8500, 2379, 15001];
          const taken = await Promise.all(ports.map(portTaken));
          const busy = ports.filter((_, index) => taken[index]);
          if (busy.length > 0) context.skip(`ports ${busy.join(', ')} are taken and no network of its own is allowed`);
        }
        using dir = createTempDir(`example-${name}`);
        mkdirSync(join(dir.path, 'repository'));
        const folder = copyOf(name, join(dir.path, 'repository'));
        const { code, outputs, all } = await runBlocks(page, folder);
        page.forEach(({ commands, expected }, index) => {
          if (expected === undefined || outputs[index] === undefined) return;
          const lines = outputs[index].split('\n').filter((line) => line.trim() !== '');
          for (const pattern of expected) {
            const at = lines.findIndex((line) => matches(line, pattern));
            expect(
              at,
              `"${pattern}" is missing after\n${commands}\nwhich wrote\n${lines.join('\n')}\n\nAll:\n${all}`,
            ).not.toBe(-1);
            lines.splice(0, at + 1);
          }
        });
        expect(code, all).toBe(0);
        expect(outputs.length, all).toBe(page.length);
      },
      deadlineMs + 10_000,
    );
  });
}
