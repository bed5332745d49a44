// The mesh of short-lived certificates for minutes: leaves of 20 s under intermediates of 60 s, two rotations of the root, the
// control plane ended and started again in the middle, requests through two sidecars and new connections all the time.
// Shorter lives, and an end before every act, run with the others: test/e2e/{short-lives,trust-rotation-root}.test.ts.
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createHandshakeWatch } from '../e2e/handshake-watch.ts';
import { type ShortLivedMesh, startShortLivedMesh } from '../e2e/short-lived-mesh.ts';
import { startLoad } from '../support/load.ts';
import { describeWith } from '../support/real-parts.ts';

const lives = { leafLifeMs: 20_000, intermediateLifeMs: 60_000, backdateMs: 1_000, shortLives: true };
const mostMs = 600_000;

describeWith(['envoy'], 'certificates of 20 s and two rotations', () => {
  let mesh: ShortLivedMesh;
  beforeAll(async () => {
    mesh = await startShortLivedMesh(lives);
  }, 60_000);
  afterAll(() => mesh[Symbol.asyncDispose]());

  it('fail no request and no handshake', { timeout: mostMs + 60_000 }, async () => {
    const load = startLoad({ port: mesh.outbound, host: 'api', perSecond: 200, maxSeconds: mostMs / 1000 });
    const watch = createHandshakeWatch(mesh, { deadlineMs: mostMs, pauseMs: 100, restarts: true });
    const phase = (): string => mesh.plane().trust?.rotation.state()?.record.phase ?? '';
    const inPhase = (wanted: string): Promise<void> => watch.until(wanted, () => phase() === wanted);
    const pause = (ms: number): Promise<void> => {
      const over = performance.now() + ms;
      return watch.until('a pause', () => performance.now() > over);
    };

    await pause(40_000);
    for (const turn of [1, 2]) {
      expect(await mesh.plane().trust?.rotation.begin()).toBe(true);
      await inPhase('confirm');
      for (const node of ['api-1', 'web-1']) await mesh.chancery(['renew', join(mesh.folder, node)]);
      await inPhase('drain');
      if (turn === 1) {
        await mesh.stop();
        await mesh.start();
      }
      await inPhase('steady');
    }
    await pause(20_000);
    const { sent, failures: lost } = await load.stop();
    console.log(`${sent} requests, ${watch.count()} handshakes of ours, ${watch.shown.size} certificates shown`);
    expect(watch.failures).toEqual([]);
    expect(lost).toEqual({});
    expect(await mesh.failedHandshakes()).toEqual({});
    expect(watch.shown.size).toBeGreaterThan(8);
  });
});
