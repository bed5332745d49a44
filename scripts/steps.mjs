// Printing of set-up steps, locks between runs, and folders that appear whole or not at all.
// Plain JavaScript: it runs before anything is installed.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { basename, dirname, join } from 'node:path';

const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`;

/** Prints what a step does while it does it, then what came of it and how long it took. `work` returns a short outcome. */
export async function step(title, work) {
  const start = performance.now();
  const slow = setTimeout(() => console.log(`${title}: working ...`), 1500);
  try {
    const outcome = await work();
    console.log(`${title}: ${outcome} (${seconds(start)})`);
  } finally {
    clearTimeout(slow);
  }
}

/** A failure a person can act on: what is missing, what was tried, what to run. Printed without a stack. */
export class SetupError extends Error {}

let interrupted = false;

/** Runs a command quietly; an interrupt ends it and lets no other start; rejects with the end of its output. `lowPriority` leaves the processor to others. */
export function run(command, args, { cwd, env = process.env, lowPriority = false, onLine } = {}) {
  return new Promise((resolve, reject) => {
    if (interrupted) return reject(new Error('interrupted'));
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    let rest = '';
    const collect = (data) => {
      text = (text + data).slice(-20_000);
      if (onLine === undefined) return;
      const lines = (rest + data).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) onLine(line);
    };
    child.stdout.setEncoding('utf8').on('data', collect);
    child.stderr.setEncoding('utf8').on('data', collect);
    const stop = () => child.kill('SIGTERM');
    const interrupt = () => {
      interrupted = true;
      stop();
    };
    process.on('exit', stop);
    process.on('SIGINT', interrupt);
    process.on('SIGTERM', interrupt);
    const done = () => {
      process.off('exit', stop);
      process.off('SIGINT', interrupt);
      process.off('SIGTERM', interrupt);
    };
    child.once('spawn', () => {
      if (!lowPriority) return;
      try {
        setPriority(child.pid, constants.priority.PRIORITY_LOW);
      } catch {
        // Only a kindness to what runs beside it.
      }
    });
    child.once('error', (error) => {
      done();
      reject(new Error(`${command} cannot be run: ${error.message}`));
    });
    child.once('close', (code, signal) => {
      done();
      if (code === 0) return resolve(text);
      const end = text.trim().split('\n').slice(-15).join('\n    ');
      reject(new Error(`${basename(command)} ${args.join(' ')} ended with ${code ?? signal}:\n    ${end}`));
    });
  });
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Runs `work` while no other run holds `file`; a lock whose holder is gone is taken over. */
export async function withLock(file, work, onWait = () => {}) {
  mkdirSync(dirname(file), { recursive: true });
  for (let waited = false; ; ) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      let holder = 0;
      try {
        holder = Number(readFileSync(file, 'utf8'));
      } catch {
        continue;
      }
      if (holder > 0 && !isAlive(holder)) {
        rmSync(file, { force: true });
        continue;
      }
      if (!waited) onWait(holder);
      waited = true;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }
  const release = () => rmSync(file, { force: true });
  process.once('exit', release);
  try {
    return await work();
  } finally {
    process.off('exit', release);
    release();
  }
}

/** Fills `folder` by `fill(temporary folder)`, then puts it in place with one rename. Leavings of dead runs are swept. */
export async function placeWhole(folder, fill) {
  mkdirSync(dirname(folder), { recursive: true });
  for (const name of readdirSync(dirname(folder))) {
    const match = /^(.+)\.tmp-(\d+)$/.exec(name);
    if (match?.[1] === basename(folder) && !isAlive(Number(match[2])))
      rmSync(join(dirname(folder), name), { recursive: true, force: true });
  }
  const temporary = `${folder}.tmp-${process.pid}`;
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true });
  try {
    await fill(temporary);
    const old = `${folder}.tmp-${process.pid}-old`;
    if (existsSync(folder)) renameSync(folder, old);
    renameSync(temporary, folder);
    rmSync(old, { recursive: true, force: true });
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}
