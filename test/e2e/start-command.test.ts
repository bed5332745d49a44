// `npm start` as a person uses it: it runs until Ctrl-C, which the terminal sends to npm, the set-up and all the rest at
// once, and then nothing of it is left: no process, and no file that might hold a key. And it proves itself when asked to.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { describeWith } from '../support/real-parts.ts';
import { projectRoot } from '../support/source-tree.ts';
import { createTempDir, type TempDir } from '../support/temp-dir.ts';

interface ProcessLine {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

function allProcesses(): ProcessLine[] {
  return execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' })
    .split('\n')
    .flatMap((line) => {
      const match = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line);
      return match === null ? [] : [{ pid: Number(match[1]), parent: Number(match[2]), command: match[3] ?? '' }];
    });
}

/** The processes that `pid` has started, and theirs, and so on. */
function descendants(pid: number): ProcessLine[] {
  const all = allProcesses();
  const found: ProcessLine[] = [];
  for (const pending = [pid]; pending.length > 0; ) {
    const parent = pending.pop();
    for (const line of all.filter((candidate) => candidate.parent === parent)) {
      found.push(line);
      pending.push(line.pid);
    }
  }
  return found;
}

describeWith(['envoy'], 'npm start', () => {
  let temporary: TempDir;
  beforeEach(() => {
    temporary = createTempDir('npm-start');
  });
  afterEach(() => temporary.remove());
  const demoFolders = (): string[] => readdirSync(temporary.path).filter((name) => name.startsWith('chancery-demo-'));

  function start(...args: readonly string[]) {
    // Its own process group stands for the terminal's.
    const started = spawn('npm', ['start', '--silent', ...args], {
      cwd: projectRoot,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TMPDIR: temporary.path },
    });
    let text = '';
    for (const stream of [started.stdout, started.stderr])
      stream.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
    const ended = new Promise<number | null>((resolve) => started.once('close', (code) => resolve(code)));
    return { pid: started.pid ?? 0, text: () => text, ended };
  }

  it('ends with Ctrl-C and leaves no process and no file', async () => {
    const { pid, text, ended } = start();
    let family: ProcessLine[] = [];
    try {
      await eventually(() => text().includes('curl '), { deadlineMs: 60_000 });
      family = descendants(pid);
      expect(family.filter(({ command }) => command.includes('envoy')).length, text()).toBeGreaterThan(1);
      const [folder = ''] = demoFolders();
      for (const kept of ['state/ca', 'credentials/edge-1', 'credentials/web-1'])
        expect(existsSync(join(temporary.path, folder, kept)), kept).toBe(true);
      process.kill(-pid, 'SIGINT');
      await ended;
      const left = (): ProcessLine[] =>
        allProcesses().filter((line) =>
          family.some(({ pid: known, command }) => known === line.pid && command === line.command),
        );
      await eventually(() => left().length === 0, { deadlineMs: 10_000 }).catch(() => undefined);
      expect(left(), text()).toEqual([]);
      expect(demoFolders()).toEqual([]);
    } finally {
      killAll([{ pid }, ...family]);
    }
  }, 120_000);

  it('proves itself, mutual TLS included', async () => {
    const { pid, text, ended } = start('--', '--check');
    try {
      expect(await ended, text()).toBe(0);
      for (const line of [
        'web reaches api through its sidecar',
        'mutual TLS: the callee sees spiffe://service.local/svc/web',
        'plaintext to a sidecar is refused',
        'a foreign certificate is refused',
        'a control plane restart loses nothing',
      ])
        expect(text()).toContain(`ok    ${line} (`);
      expect(text()).not.toContain('FAIL');
      expect(demoFolders()).toEqual([]);
    } finally {
      killAll([{ pid }]);
    }
  }, 120_000);
});

/** Whoever has ended is left in peace. */
function killAll(processes: readonly Pick<ProcessLine, 'pid'>[]): void {
  for (const { pid } of processes) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended, as it should.
    }
  }
}
