// On a machine without Envoy, Consul and etcd the tests that need them are skipped by name and reason; in CI they fail.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startProcess } from '../support/process.ts';
import { projectRoot } from '../support/source-tree.ts';
import { createTempDir } from '../support/temp-dir.ts';

interface Summary {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: readonly string[];
  readonly failures: readonly string[];
}

/** Runs the tests of the starters with nothing on PATH and an empty cache. */
async function runWithoutParts(env: NodeJS.ProcessEnv): Promise<{ code: number | string; summary: Summary }> {
  using dir = createTempDir('missing');
  const file = join(dir.path, 'summary.json');
  await using run = await startProcess(
    'vitest',
    [
      process.execPath,
      join(projectRoot, 'node_modules/vitest/vitest.mjs'),
      ...['run', '--root', projectRoot, '--reporter', join(projectRoot, 'scripts/test-reporter.mjs')],
      'test/conformance/real-parts.test.ts',
    ],
    { cwd: dir.path, env: { HOME: dir.path, PATH: '', CHANCERY_CACHE: dir.path, TEST_SUMMARY_FILE: file, ...env } },
  );
  const code = await run.ended();
  return { code, summary: JSON.parse(readFileSync(file, 'utf8')) as Summary };
}

describe('missing real parts', () => {
  it('are skipped loudly', async () => {
    const { code, summary } = await runWithoutParts({});
    expect(code).toBe(0);
    expect(summary).toMatchObject({ passed: 0, failed: 0 });
    for (const title of ['Envoy', 'Consul', 'etcd'])
      expect(summary.skipped.join('\n')).toMatch(new RegExp(`no ${title}: ${title} \\d.* is not on this machine`));
  }, 30_000);

  it('fail in CI', async () => {
    const { code, summary } = await runWithoutParts({ CI: 'true' });
    expect(code).toBe(1);
    expect(summary).toMatchObject({ passed: 0, failed: 3, skipped: [] });
  }, 30_000);
});
