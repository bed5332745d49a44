// The bash script, run by bash itself: what it offers after what was typed.
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { runCommandLine } from '../../../src/cli/program.ts';
import { createFakeCli } from './fake-io.ts';

async function offered(...typed: readonly string[]): Promise<readonly string[]> {
  const cli = createFakeCli();
  await runCommandLine(['completion', 'bash'], cli.deps);
  const call = `COMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); _chancery; echo "\${COMPREPLY[@]}"`;
  const text = execFileSync('bash', ['-c', `${cli.out()}\n${call}`, 'bash', 'chancery', ...typed], {
    encoding: 'utf8',
  });
  return text.trim().split(' ');
}

describe('completion in bash', () => {
  it.each([
    [['sta'], ['status']],
    [
      ['config', ''],
      ['show', '--help'],
    ],
    [['status', '--w'], ['--wait']],
    [['bootstrap', 'web-1', '--up'], ['--upstream']],
  ])('%j offers %j', async (typed, expected) => {
    expect(await offered(...typed)).toEqual(expected);
  });
});
