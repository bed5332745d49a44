// Runs a command as if it stood in our place: same terminal, its exit code is ours, signals reach it exactly once.
// Plain JavaScript for any Node >= 20: it is what starts the right Node.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/**
 * Resolves with the exit code (128 + number for a signal) once the command has ended.
 * `ownGroup`: the command is not in the terminal's process group, so a Ctrl-C comes from us alone. Without it the
 * terminal tells the command itself, and we pass on only what a terminal does not send.
 */
export function runForeground(command, args, { env = process.env, ownGroup = false, onStart = () => {} } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'inherit', env, detached: ownGroup });
    const passed = new Map();
    const names =
      process.platform === 'win32' ? ['SIGINT', 'SIGTERM'] : ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'];
    const fromTerminal = new Set(['SIGINT', 'SIGQUIT', 'SIGHUP']);
    const terminal = [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY);
    const handlers = names.map((name) => {
      const pass = () => {
        if (!ownGroup && terminal && fromTerminal.has(name)) return;
        // npm and the terminal may both tell us of one Ctrl-C.
        const now = performance.now();
        if (now - (passed.get(name) ?? Number.NEGATIVE_INFINITY) < 500) return;
        passed.set(name, now);
        child.kill(name);
      };
      process.on(name, pass);
      return [name, pass];
    });
    const done = () => {
      for (const [name, pass] of handlers) process.off(name, pass);
    };
    child.once('error', (error) => {
      done();
      reject(error);
    });
    child.once('spawn', () => onStart(child.pid));
    child.once('close', (code, signal) => {
      done();
      resolve(code ?? 128 + (constants.signals[signal] ?? 0));
    });
  });
}
