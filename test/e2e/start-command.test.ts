// `npm start` as a person uses it: it runs until Ctrl-C, which the terminal sends to npm, the set-up and all the rest at
// once, and then nothing of it is left.
import { execFileSync, spawn } from 'node:child_process';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { describeWith } from '../support/real-parts.ts';
import { projectRoot } from '../support/source-tree.ts';

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
  it('ends with Ctrl-C and leaves no process', async () => {
    // Its own process group stands for the terminal's.
    const started = spawn('npm', ['start', '--silent'], {
      cwd: projectRoot,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const pid = started.pid ?? 0;
    let text = '';
    for (const stream of [started.stdout, started.stderr])
      stream.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
    const ended = new Promise<void>((resolve) => started.once('close', () => resolve()));
    let family: ProcessLine[] = [];
    try {
      await eventually(() => text.includes('curl '), { deadlineMs: 60_000 });
      family = descendants(pid);
      expect(family.filter(({ command }) => command.includes('envoy')).length, text).toBeGreaterThan(1);
      process.kill(-pid, 'SIGINT');
      await ended;
      const left = (): ProcessLine[] =>
        allProcesses().filter((line) =>
          family.some(({ pid: known, command }) => known === line.pid && command === line.command),
        );
      await eventually(() => left().length === 0, { deadlineMs: 10_000 }).catch(() => undefined);
      expect(left(), text).toEqual([]);
    } finally {
      for (const { pid: known } of [{ pid }, ...family]) {
        try {
          process.kill(known, 'SIGKILL');
        } catch {
          // It has ended, as it should.
        }
      }
    }
  }, 120_000);
});
