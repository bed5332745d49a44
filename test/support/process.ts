// One started process: its output, an orderly stop by pid, and a guarantee that it does not outlive the test run.
// Invariant: whatever was started and not stopped is known here (`runningProcesses`), and dies with this process.
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface RunningProcess extends AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  /** All it wrote so far, both streams. */
  logs(): string;
  /** Set once it has ended: the exit code, or the name of the signal. */
  exit(): number | string | undefined;
  /** Resolves when it has ended, with what `exit` gives. */
  ended(): Promise<number | string>;
  /** Asks it to end (SIGTERM), forces it after `graceMs`; idempotent. */
  stop(graceMs?: number): Promise<void>;
  /** SIGKILL, as a power cut would; idempotent. */
  kill(): Promise<void>;
  signal(name: NodeJS.Signals): void;
}

export interface StartOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Called for each piece of output. */
  readonly onOutput?: (text: string) => void;
}

const running = new Set<RunningProcess>();
let keeper: ChildProcess | undefined;

/** Processes started by this module that have not ended. */
export function runningProcesses(): readonly RunningProcess[] {
  return [...running];
}

function tellKeeper(line: string): void {
  if (keeper === undefined) {
    const file = fileURLToPath(new URL('../../scripts/keeper.mjs', import.meta.url));
    // Detached: a Ctrl-C at the terminal must reach the run, not the keeper.
    keeper = spawn(process.execPath, [file], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    keeper.unref();
    const input = keeper.stdin as unknown as { unref?: () => void };
    input.unref?.();
  }
  keeper.stdin?.write(`${line}\n`);
}

/** Starts `command`; rejects when it cannot be executed at all. */
export async function startProcess(
  name: string,
  [command, ...args]: readonly [string, ...string[]],
  options: StartOptions = {},
): Promise<RunningProcess> {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: options.env ?? process.env,
  });
  let text = '';
  let exit: number | string | undefined;
  const collect = (data: Buffer): void => {
    const piece = data.toString('utf8');
    // Keep the newest megabytes: a process that writes without end must not take the tests' memory.
    text = text.length > 8_000_000 ? text.slice(-4_000_000) + piece : text + piece;
    options.onOutput?.(piece);
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const end = new Promise<number | string>((resolve) => {
    child.once('close', (code, signal) => {
      exit = code ?? signal ?? 'unknown';
      running.delete(self);
      tellKeeper(`-${child.pid}`);
      resolve(exit);
    });
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => reject(new Error(`${name}: cannot start ${command}`, { cause: error })));
  });
  const pid = child.pid;
  if (pid === undefined) throw new Error(`${name}: no process id`);

  const self: RunningProcess = {
    name,
    pid,
    logs: () => text,
    exit: () => exit,
    ended: () => end,
    async stop(graceMs = 5000) {
      if (exit !== undefined) return;
      child.kill('SIGTERM');
      const force = setTimeout(() => child.kill('SIGKILL'), graceMs);
      await end;
      clearTimeout(force);
    },
    async kill() {
      if (exit !== undefined) return;
      child.kill('SIGKILL');
      await end;
    },
    signal: (signalName) => void child.kill(signalName),
    [Symbol.asyncDispose]: () => self.stop(),
  };
  running.add(self);
  tellKeeper(`+${pid}`);
  return self;
}
