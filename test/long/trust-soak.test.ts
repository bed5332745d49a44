// The mesh of short-lived certificates for minutes: leaves of 20 s under intermediates of 60 s, two rotations of the root, the
// control plane ended and started again in the middle, requests through two sidecars and new connections all the time.
// Shorter lives, and an end before every act, run with the others: test/e2e/{short-lives,trust-rotation-root}.test.ts.
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
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
    const end = performance.now() + mostMs;
    const failures: string[] = [];
    const shown = new Set<string>();
    let handshakes = 0;
    const phase = (): string => mesh.plane().trust?.rotation.state()?.record.phase ?? '';

    async function until(holds: () => boolean): Promise<void> {
      while (!holds()) {
        if (performance.now() > end)
          throw new Error(`it stands still in ${phase()}: ${mesh.warnings().slice(-5).join('\n')}`);
        const secrets = mesh.secretsOf('web-1');
        // After a start nobody has a certificate here until its proxy is back.
        if (secrets.cert !== '') {
          const { failure, serial } = await mesh.handshake(secrets);
          handshakes++;
          if (failure !== undefined) failures.push(`${phase()}: ${failure}`);
          if (serial !== undefined) shown.add(serial);
        }
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
    const pause = (ms: number): Promise<void> => {
      const over = performance.now() + ms;
      return until(() => performance.now() > over);
    };

    await pause(40_000);
    for (const turn of [1, 2]) {
      expect(await mesh.plane().trust?.rotation.begin()).toBe(true);
      await until(() => phase() === 'confirm');
      for (const node of ['api-1', 'web-1']) await mesh.chancery(['renew', join(mesh.folder, node)]);
      await until(() => phase() === 'drain');
      if (turn === 1) {
        await mesh.stop();
        await mesh.start();
      }
      await until(() => phase() === 'steady');
    }
    await pause(20_000);
    const { sent, failures: lost } = await load.stop();
    console.log(`${sent} requests, ${handshakes} handshakes of ours, ${shown.size} certificates shown`);
    expect(failures).toEqual([]);
    expect(lost).toEqual({});
    expect(await mesh.failedHandshakes()).toEqual({});
    expect(shown.size).toBeGreaterThan(8);
  });
});
