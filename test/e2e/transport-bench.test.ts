// The transport benchmark still runs: one small lap of ours, with its gate. Its figures are not looked at.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const bench = fileURLToPath(new URL('../../bench/transport.ts', import.meta.url));

it('the transport benchmark runs and its gate holds', { timeout: 60_000 }, async () => {
  const { code, output } = await new Promise<{ code: number | string; output: string }>((resolve) => {
    execFile(process.execPath, [bench, 'W3', '--quick', '--no-peer'], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : (error.code ?? 'signal'), output: stdout + stderr }),
    );
  });
  expect(output).not.toContain('FAILED');
  expect(output).toMatch(/W3 .*CPU a change/);
  expect(code, output).toBe(0);
});
