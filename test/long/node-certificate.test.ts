// A node that joined with a client certificate outlives that certificate, and the intermediate that signed it: `chancery renew`
// replaces it at half of its life, however short that is, and its proxy shows the next one before the first has ended.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { startShortLivedMesh } from '../e2e/short-lived-mesh.ts';
import { describeWith, eventually } from '../support/real-parts.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const lives = { leafLifeMs: 8_000, intermediateLifeMs: 24_000, backdateMs: 1_000, shortLives: true };

describeWith(['envoy'], 'a node with a client certificate', () => {
  it('stays connected after the end of the first one', { timeout: 120_000 }, async () => {
    await using mesh = await startShortLivedMesh(lives);
    await mesh.gateway('edge-1', 'edge', ['--certificate']);
    const folder = join(mesh.folder, 'edge-1');
    const watch = spawn(process.execPath, [main, 'renew', folder, '--watch'], { stdio: 'ignore' });
    try {
      const record = () => JSON.parse(readFileSync(join(folder, 'credential.json'), 'utf8')) as { notAfterMs: number };
      const proxy = () =>
        mesh
          .plane()
          .control.status()
          .proxies.find(({ node }) => node === 'edge-1');
      const first = record();
      await eventually(async () => proxy()?.state === 'synced');
      const shown = proxy()?.credential?.id;
      expect(proxy()?.credential?.kind).toBe('certificate');
      await eventually(async () => Date.now() > first.notAfterMs + 8_000, { deadlineMs: 60_000 });
      await eventually(async () => proxy()?.state === 'synced');
      expect(proxy()?.credential?.id).not.toBe(shown);
      expect(record().notAfterMs).toBeGreaterThan(first.notAfterMs);
    } finally {
      watch.kill();
    }
  });
});
