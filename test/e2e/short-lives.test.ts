// A soak with certificates that live for seconds: leaves of 6 s under intermediates of 15 s, while requests go through two
// sidecars and a client of the mesh makes a new connection four times a second. Nothing fails, and everything was replaced.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startLoad } from '../support/load.ts';
import { describeWith } from '../support/real-parts.ts';
import { type ShortLivedMesh, startShortLivedMesh } from './short-lived-mesh.ts';

const lives = { leafLifeMs: 6_000, intermediateLifeMs: 15_000, backdateMs: 1_000, shortLives: true };
const soakMs = 24_000;

describeWith(['envoy'], 'certificates that live for seconds', () => {
  let mesh: ShortLivedMesh;
  beforeAll(async () => {
    mesh = await startShortLivedMesh(lives);
  }, 60_000);
  afterAll(() => mesh[Symbol.asyncDispose]());

  it('fails no request and no handshake', { timeout: 60_000 }, async () => {
    const load = startLoad({ port: mesh.outbound, host: 'api', perSecond: 100, maxSeconds: 60 });
    const failures: string[] = [];
    const shown = new Set<string>();
    const issued = new Set<string>();
    const intermediates = new Set<string>();
    const end = performance.now() + soakMs;
    while (performance.now() < end) {
      const { failure, serial } = await mesh.handshake();
      if (failure !== undefined) failures.push(failure);
      if (serial !== undefined) shown.add(serial);
      for (const one of mesh.plane().control.certificates()) issued.add(`${one.node} ${one.serial}`);
      intermediates.add(mesh.secretsOf('api-1').cert.split('-----BEGIN CERTIFICATE-----')[2] ?? '');
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    const { sent, failures: lost } = await load.stop();
    expect(failures).toEqual([]);
    expect(lost).toEqual({});
    expect(sent).toBeGreaterThan(1_000);
    // Everything was replaced, several times: 24 s are at least six renewals of 3.6 s at most.
    expect(shown.size).toBeGreaterThanOrEqual(5);
    expect(issued.size).toBeGreaterThanOrEqual(10);
    expect(intermediates.size).toBeGreaterThanOrEqual(2);
  });
});
