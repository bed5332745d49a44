// Processes the demo starts, and their certain end: stopped by pid on the way out, killed on a crash, and by a guard
// process should this one be killed outright. It knows nothing of Envoy. Invariant: no child outlives the demo.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { Clock } from '../util/clock.ts';

export interface Child {
  readonly name: string;
  readonly pid: number;
  /** Undefined while it runs. */
  ended(): string | undefined;
}

export interface Children {
  start(program: {
    readonly name: string;
    readonly path: string;
    readonly args: readonly string[];
    readonly logFile: string;
  }): Child;
  /** Stops all, newest first; resolves when none is left. */
  stop(): Promise<void>;
}

const graceMs = 3_000;
// Reads pids until its input ends, which is when we are gone; `done` means that we cleaned up ourselves.
const guardScript = `trap '' INT TERM; pids=; while read -r line; do [ "$line" = done ] && exit 0; pids="$pids $line"; done; kill -9 $pids 2>/dev/null`;

export function createChildren(clock: Clock, onExit: (kill: () => void) => void): Children {
  const running = new Map<ChildProcess, Promise<void>>();
  let guard: ChildProcess | undefined;
  onExit(() => {
    for (const child of running.keys()) child.kill('SIGKILL');
  });

  function watch(pid: number): void {
    guard ??= spawn('/bin/sh', ['-c', guardScript], { stdio: ['pipe', 'ignore', 'ignore'] });
    guard.on('error', () => {});
    guard.stdin?.on('error', () => {});
    guard.stdin?.write(`${pid}\n`);
    guard.unref();
  }

  return {
    start({ name, path, args, logFile }) {
      const log = openSync(logFile, 'a');
      const child = spawn(path, args, { stdio: ['ignore', log, log] });
      closeSync(log);
      let end: string | undefined;
      const ended = new Promise<void>((resolve) => {
        const finish = (how: string): void => {
          end = how;
          running.delete(child);
          resolve();
        };
        child.on('error', (error) => finish(error.message));
        child.on('exit', (code, signal) => finish(signal ?? `exit code ${code}`));
      });
      running.set(child, ended);
      const { pid = 0 } = child;
      if (pid > 0) watch(pid);
      return { name, pid, ended: () => end };
    },
    async stop() {
      const timers = [...running.keys()].reverse().map((child) => {
        child.kill('SIGTERM');
        return clock.after(graceMs, () => child.kill('SIGKILL'));
      });
      await Promise.all(running.values());
      for (const timer of timers) timer.cancel();
      guard?.stdin?.end('done\n');
      guard = undefined;
    },
  };
}
