// Nine hours without a control plane, in small: certificates of 24 s for those of 24 hours, 9 s for nine hours, and the
// control plane ends at the worst moment, just before one is renewed. Requests go through two sidecars meanwhile and a client
// of the mesh makes new connections. What comes after it is back is not judged: proxies look for it twice a minute at the
// latest, which is nothing to hours and much to seconds.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ShortLivedMesh, startShortLivedMesh } from '../e2e/short-lived-mesh.ts';
import { startLoad } from '../support/load.ts';
import { describeWith, eventually } from '../support/real-parts.ts';

const leafLifeMs = 24_000;
const awayMs = leafLifeMs * (9 / 24);
const lives = { leafLifeMs, intermediateLifeMs: 2 * leafLifeMs, backdateMs: 1_000, shortLives: true };

describeWith(['envoy'], 'nine hours of 24 without a control plane', () => {
  let mesh: ShortLivedMesh;
  beforeAll(async () => {
    mesh = await startShortLivedMesh(lives);
  }, 60_000);
  afterAll(() => mesh[Symbol.asyncDispose]());

  it('fail no request and no handshake', { timeout: 90_000 }, async () => {
    const load = startLoad({ port: mesh.outbound, host: 'api', perSecond: 100, maxSeconds: 60 });
    const untilRenewal = (): number =>
      Math.min(
        ...mesh
          .plane()
          .control.certificates()
          .map(({ renewAtMs }) => renewAtMs - Date.now()),
      );
    await eventually(async () => untilRenewal() < 500, { deadlineMs: 30_000 });
    const secrets = mesh.secretsOf('web-1');
    const horizon = mesh.plane().control.status().certificatesHoldMs ?? 0;
    const end = Date.now() + awayMs;
    expect(horizon).toBeGreaterThan(end);
    await mesh.stop();
    const failures: string[] = [];
    let made = 0;
    for (; Date.now() < end; made++) {
      const { failure } = await mesh.handshake(secrets);
      if (failure !== undefined) failures.push(failure);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    const { sent, failures: lost } = await load.stop();
    expect(failures).toEqual([]);
    expect(lost).toEqual({});
    expect(await mesh.failedHandshakes()).toEqual({});
    expect(made).toBeGreaterThan(20);
    expect(sent).toBeGreaterThan(awayMs / 20);
    // What counts them does count: this one shows no certificate.
    expect((await mesh.handshake({ cert: '', key: '', ca: secrets.ca })).failure).toBeDefined();
    expect(Object.keys(await mesh.failedHandshakes())).toContain('fail_verify_no_cert');
    await mesh.start();
    await eventually(async () => mesh.plane().control.certificates().length === 2, { deadlineMs: 40_000 });
  });
});
