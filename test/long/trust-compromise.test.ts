// Somebody else may have the key of what signs: an intermediate, whose leaves are replaced at once, and then the root, which
// leaves the bundle as soon as connected proxies can do without it, not after a week. Requests go through two sidecars all the
// while, and a client of the mesh makes a new connection four times a second. Nothing fails.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createHandshakeWatch } from '../e2e/handshake-watch.ts';
import { type ShortLivedMesh, startShortLivedMesh } from '../e2e/short-lived-mesh.ts';
import { startLoad } from '../support/load.ts';
import { describeWith } from '../support/real-parts.ts';

// Long against the test: what is replaced is replaced for the taint, not for its age.
const lives = { leafLifeMs: 200_000, intermediateLifeMs: 400_000, backdateMs: 1_000, shortLives: true };

describeWith(['envoy'], 'a compromise', () => {
  let mesh: ShortLivedMesh;
  beforeAll(async () => {
    mesh = await startShortLivedMesh(lives);
  }, 60_000);
  afterAll(() => mesh[Symbol.asyncDispose]());

  it('T15: of an intermediate, and of the root, fails nothing of what is connected', { timeout: 280_000 }, async () => {
    const load = startLoad({ port: mesh.outbound, host: 'api', perSecond: 100, maxSeconds: 270 });
    const { failures, until } = createHandshakeWatch(mesh, { deadlineMs: 120_000 });
    const trust = () => {
      const { trust } = mesh.plane();
      if (trust === undefined) throw new Error('it has no authority');
      return trust;
    };
    const issuers = () =>
      new Set(
        mesh
          .plane()
          .control.certificates()
          .map(({ issuer }) => issuer),
      );
    const [tainted = '', ...more] = issuers();
    expect([tainted.length, more]).toEqual([40, []]);
    await trust().revocations.revoke('issuer', tainted, Date.now() + 1_000_000);
    await until('leaves of a tainted intermediate', () => !issuers().has(tainted));

    const [old] = trust().authority.roots().roots;
    expect(await trust().rotation.condemn()).toBe(true);
    const roots = () => trust().authority.roots().roots;
    // Of the old one nothing is left: not after a week, but while the test runs.
    await until('a condemned root', () => roots().every(({ keyId }) => keyId !== old?.keyId));
    expect(roots()).toHaveLength(1);
    await until('the end', () => trust().rotation.state()?.record.phase === 'steady');
    const certificates = mesh.plane().control.certificates();
    expect(certificates.map(({ root }) => root)).toEqual([roots()[0]?.keyId, roots()[0]?.keyId]);
    const { sent, failures: lost } = await load.stop();
    expect(failures).toEqual([]);
    expect(lost).toEqual({});
    expect(sent).toBeGreaterThan(1_000);
  });
});
