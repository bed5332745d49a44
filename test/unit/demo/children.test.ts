// Real processes, small ones: they end when asked, when they must, and when the demo itself is killed.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createChildren } from '../../../src/demo/children.ts';
import { createSystemClock } from '../../../src/util/system-clock.ts';
import { eventually } from '../../support/eventually.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';

/** A process that ended but was not collected yet (`Z`) does not count. */
function alive(pid: number): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
  return stdout.trim() !== '' && !stdout.trim().startsWith('Z');
}

describe('createChildren', () => {
  let dir: TempDir;
  beforeEach(() => {
    dir = createTempDir('children');
  });
  afterEach(() => dir.remove());
  const sleeper = (name: string) => ({
    name,
    path: '/bin/sleep',
    args: ['60'],
    logFile: join(dir.path, `${name}.log`),
  });

  it('stops what it started', async () => {
    const children = createChildren(createSystemClock(), () => {});
    const started = [children.start(sleeper('a')), children.start(sleeper('b'))];
    expect(started.map(({ pid }) => alive(pid))).toEqual([true, true]);
    await children.stop();
    expect(started.map(({ pid }) => alive(pid))).toEqual([false, false]);
    expect(started[0]?.ended()).toBe('SIGTERM');
  });

  it('kills on exit', async () => {
    let kill = (): void => {};
    const children = createChildren(createSystemClock(), (fn) => {
      kill = fn;
    });
    const { pid, ended } = children.start(sleeper('a'));
    kill();
    await eventually(() => ended() === 'SIGKILL' && !alive(pid));
    await children.stop();
  });

  it('tells of a program that cannot be started, and of one that ended', async () => {
    const children = createChildren(createSystemClock(), () => {});
    const missing = children.start({ ...sleeper('a'), path: '/nowhere/envoy' });
    const brief = children.start({ ...sleeper('b'), path: '/bin/sh', args: ['-c', 'echo out; echo err >&2; exit 3'] });
    await eventually(() => missing.ended() !== undefined && brief.ended() !== undefined);
    expect([missing.ended(), brief.ended()]).toEqual([expect.stringContaining('ENOENT'), 'exit code 3']);
    expect(readFileSync(join(dir.path, 'b.log'), 'utf8')).toBe('out\nerr\n');
    await children.stop();
  });

  it('leaves nothing behind when it is killed outright', async () => {
    const module = (path: string): string => JSON.stringify(pathToFileURL(path).href);
    const script = `
      const { createChildren } = await import(${module('src/demo/children.ts')});
      const { createSystemClock } = await import(${module('src/util/system-clock.ts')});
      const child = createChildren(createSystemClock(), () => {}).start(${JSON.stringify(sleeper('a'))});
      console.log(child.pid);
      setInterval(() => {}, 1000);`;
    const demo = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const pid = await new Promise<number>((resolve) =>
      demo.stdout.once('data', (text: Buffer) => resolve(Number(text.toString()))),
    );
    expect(alive(pid)).toBe(true);
    demo.kill('SIGKILL');
    await eventually(() => !alive(pid));
  });
});
