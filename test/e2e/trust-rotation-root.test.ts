// Two rotations of the root one after the other, with certificates that live for seconds, while requests go through two
// sidecars and a client of the mesh makes a new connection four times a second; the control plane ends in the middle of the
// first and another one goes on from what is kept. Nothing fails, and the former roots are gone.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startLoad } from '../support/load.ts';
import { describeWith } from '../support/real-parts.ts';
import { createHandshakeWatch, trustedRoots } from './handshake-watch.ts';
import { type ShortLivedMesh, startShortLivedMesh } from './short-lived-mesh.ts';

const lives = { leafLifeMs: 12_000, intermediateLifeMs: 24_000, backdateMs: 1_000, shortLives: true };

describeWith(['envoy'], 'a root that is rotated', () => {
  let mesh: ShortLivedMesh;
  beforeAll(async () => {
    mesh = await startShortLivedMesh(lives);
  }, 60_000);
  afterAll(() => mesh[Symbol.asyncDispose]());

  it('twice fails no request and no handshake', { timeout: 240_000 }, async () => {
    const load = startLoad({ port: mesh.outbound, host: 'api', perSecond: 100, maxSeconds: 230 });
    const { failures, until } = createHandshakeWatch(mesh, { deadlineMs: 100_000, restarts: true });
    const phases = new Set<string>();
    const phase = (): string | undefined => mesh.plane().trust?.rotation.state()?.record.phase;
    const inPhase = (wanted: string): Promise<void> =>
      until(
        wanted,
        () => phase() === wanted,
        () => phases.add(phase() ?? ''),
      );
    const rootsNow = (): readonly string[] => trustedRoots(mesh);

    let [old] = rootsNow();
    for (const turn of [1, 2]) {
      expect(await mesh.plane().trust?.rotation.begin()).toBe(true);
      expect(await mesh.plane().trust?.rotation.begin()).toBe(false);
      await inPhase('confirm');
      expect(rootsNow()).toHaveLength(2);
      // What the timer of every node does hourly: it learns of the next root.
      for (const node of ['api-1', 'web-1']) await mesh.chancery(['renew', join(mesh.folder, node)]);
      await inPhase('drain');
      if (turn === 1) {
        await mesh.stop();
        await mesh.start();
        await until('both are back', () => mesh.plane().control.certificates().length === 2);
      }
      await inPhase('steady');
      const [now, ...more] = rootsNow();
      expect(more).toEqual([]);
      expect(now).not.toBe(old);
      expect(
        mesh
          .plane()
          .control.certificates()
          .map(({ root }) => root),
      ).toEqual([now, now]);
      const folder = join(mesh.folder, 'state', 'ca');
      expect(existsSync(join(folder, `root-${turn}`))).toBe(false);
      expect(existsSync(join(folder, `retired-${turn}`, 'certificate.pem'))).toBe(true);
      expect(existsSync(join(folder, `retired-${turn}`, 'key.pem'))).toBe(false);
      old = now;
    }
    const { sent, failures: lost } = await load.stop();
    expect(failures).toEqual([]);
    expect(lost).toEqual({});
    expect(sent).toBeGreaterThan(5_000);
    expect([...phases]).toEqual(expect.arrayContaining(['confirm', 'drain', 'steady']));
  });
});
