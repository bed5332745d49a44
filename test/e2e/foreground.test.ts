// What stands between npm and the program: its exit code is passed on, a Ctrl-C reaches the program exactly once,
// and nothing of it is left when we are killed outright.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { startProcess } from '../support/process.ts';
import { projectRoot } from '../support/source-tree.ts';
import { createTempDir } from '../support/temp-dir.ts';

const PROGRAM = `
  let seen = 0;
  process.on('SIGINT', () => { seen++; setTimeout(() => { console.log('seen ' + seen); process.exit(7); }, 200); });
  console.log('pid ' + process.pid);
  setInterval(() => {}, 1000);
`;
const wrapper = (options: string): string => `
  import { runForeground } from ${JSON.stringify(join(projectRoot, 'bin/foreground.mjs'))};
  process.exitCode = await runForeground(process.execPath, [process.argv[2]], ${options});
`;

async function startWrapped(dir: string, options: string) {
  writeFileSync(join(dir, 'program.mjs'), PROGRAM);
  writeFileSync(join(dir, 'wrapper.mjs'), wrapper(options));
  const wrapped = await startProcess('wrapper', [process.execPath, join(dir, 'wrapper.mjs'), join(dir, 'program.mjs')]);
  const pid = await eventually(() => /pid (\d+)/.exec(wrapped.logs())?.[1]);
  return { wrapped, pid: Number(pid) };
}

describe('runForeground', () => {
  for (const options of ['{}', '{ ownGroup: true }']) {
    it(`passes a signal once and the exit code back: ${options}`, async () => {
      using dir = createTempDir('foreground');
      const { wrapped } = await startWrapped(dir.path, options);
      // npm and the terminal both tell the wrapper.
      wrapped.signal('SIGINT');
      wrapped.signal('SIGINT');
      expect(await wrapped.ended()).toBe(7);
      expect(wrapped.logs()).toContain('seen 1');
    });
  }

  it('gives 128 and the number for a program that a signal ended', async () => {
    using dir = createTempDir('foreground');
    const { wrapped, pid } = await startWrapped(dir.path, '{}');
    process.kill(pid, 'SIGKILL');
    expect(await wrapped.ended()).toBe(137);
  });
});

describe('the keeper', () => {
  it('ends what a killed run had started', async () => {
    using dir = createTempDir('keeper');
    writeFileSync(
      join(dir.path, 'run.mts'),
      `import { startProcess } from ${JSON.stringify(join(projectRoot, 'test/support/process.ts'))};
       const child = await startProcess('sleeper', [process.execPath, '-e', 'setInterval(() => {}, 1000)']);
       console.log('pid ' + child.pid);`,
    );
    const run = await startProcess('run', [process.execPath, join(dir.path, 'run.mts')]);
    const pid = Number(await eventually(() => /pid (\d+)/.exec(run.logs())?.[1]));
    await run.kill();
    await eventually(() => {
      try {
        process.kill(pid, 0);
        return false;
      } catch {
        return true;
      }
    });
  });
});
