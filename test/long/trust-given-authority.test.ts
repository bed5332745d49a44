// An authority that is given in files, under traffic: first another one of the same root takes its place, then one of another
// root, file by file as tools replace them, with keys of RSA. Requests go through two sidecars, and a caller of the mesh makes
// a new connection four times a second. Nothing fails, and what proxies are told of is only what the files say.
import { X509Certificate } from 'node:crypto';
import { copyFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { publicKeyId } from '../../src/ca/x509.ts';
import { createHandshakeWatch, trustedRoots } from '../e2e/handshake-watch.ts';
import { type ShortLivedMesh, startShortLivedMesh } from '../e2e/short-lived-mesh.ts';
import { type MadeAuthority, makeAuthority } from '../support/given-authority.ts';
import { startLoad } from '../support/load.ts';
import { describeWith } from '../support/real-parts.ts';
import { opensslVerify } from '../unit/ca/openssl.ts';

const lives = { leafLifeMs: 12_000, intermediateLifeMs: 24_000, backdateMs: 1_000, shortLives: true };
const domain = 'mesh.example';
const keyIdOf = ({ pem }: MadeAuthority): string =>
  publicKeyId(new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' }));

describeWith(['envoy'], 'an authority that is given in files', () => {
  let mesh: ShortLivedMesh;
  let root: MadeAuthority;
  let otherRoot: MadeAuthority;
  let first: MadeAuthority;
  let second: MadeAuthority;
  let third: MadeAuthority;
  let folder = '';
  const at = (name: string): string => join(folder, name);
  function replace(name: string, text: string | Buffer): void {
    writeFileSync(at(`${name}.new`), text, { mode: 0o600 });
    renameSync(at(`${name}.new`), at(name));
  }

  beforeAll(async () => {
    mesh = await startShortLivedMesh(lives, (dir) => {
      folder = dir;
      root = makeAuthority(dir, 'root', { uri: `spiffe://${domain}` });
      first = makeAuthority(dir, 'first', { issuer: root });
      second = makeAuthority(dir, 'second', { issuer: root });
      otherRoot = makeAuthority(dir, 'other-root', { kind: 'rsa' });
      third = makeAuthority(dir, 'third', { kind: 'rsa', issuer: otherRoot });
      copyFileSync(first.cert, at('tls.crt'));
      copyFileSync(first.key, at('tls.key'));
      copyFileSync(root.cert, at('ca.crt'));
      const paths = { certificateFile: at('tls.crt'), privateKeyFile: at('tls.key'), rootsFile: at('ca.crt') };
      return { domain, root: { kind: 'issuer-files', ...paths } };
    });
  }, 60_000);
  afterAll(() => mesh[Symbol.asyncDispose]());

  it('is replaced twice and fails no request and no handshake', { timeout: 200_000 }, async () => {
    const load = startLoad({ port: mesh.outbound, host: 'api', perSecond: 100, maxSeconds: 190 });
    const { failures, until } = createHandshakeWatch(mesh, { deadlineMs: 60_000 });
    const trusted = (): readonly string[] => trustedRoots(mesh);
    /** What stands between a leaf that a proxy shows and its root: names of subjects. */
    const above = (): readonly string[] =>
      mesh
        .secretsOf('web-1')
        .cert.split(/(?=-----BEGIN)/)
        .slice(1)
        .map((pem) => new X509Certificate(pem).subject);

    expect(above()).toEqual([expect.stringContaining('Chancery intermediate'), 'CN=first']);
    const [leaf, ...intermediates] = mesh
      .secretsOf('web-1')
      .cert.split(/(?=-----BEGIN)/)
      .map((pem) => Uint8Array.from(new X509Certificate(pem).raw));
    const chain = { root: root.der, intermediates, leaf: leaf ?? new Uint8Array(0) };
    for (const purpose of ['sslclient', 'sslserver'] as const)
      expect(opensslVerify(folder, chain, { purpose, ms: Date.now() })).toMatchObject({ ok: true });

    replace('tls.crt', second.pem);
    await until(
      'two turns of renewal with half of it',
      (() => {
        const serials = new Set<string>();
        return () => serials.add(new X509Certificate(mesh.secretsOf('web-1').cert).serialNumber).size > 2;
      })(),
    );
    expect(above().at(-1)).toBe('CN=first');
    replace('tls.key', readFileSync(second.key));
    await until('the second authority signs', () => above().at(-1) === 'CN=second');
    expect(trusted()).toEqual([keyIdOf(root)]);

    // The careless way: its root comes with it, and the former root goes at the same time.
    replace('ca.crt', otherRoot.pem);
    replace('tls.key', readFileSync(third.key));
    replace('tls.crt', third.pem);
    await until('both are trusted', () => trusted().length === 2);
    expect(trusted()).toEqual([keyIdOf(root), keyIdOf(otherRoot)]);
    await until('the third authority signs', () => above().at(-1) === 'CN=third');
    await until('the former root is trusted no more', () => trusted().length === 1);
    expect(trusted()).toEqual([keyIdOf(otherRoot)]);
    await until('all certificates are of the third', () =>
      mesh
        .plane()
        .control.certificates()
        .every((one) => one.root === keyIdOf(otherRoot)),
    );

    await expect(mesh.plane().trust?.rotation.begin()).rejects.toMatchObject({ code: 'CH1884' });
    const { sent, failures: lost } = await load.stop();
    expect(failures).toEqual([]);
    expect(lost).toEqual({});
    expect(sent).toBeGreaterThan(1_000);
  });
});
