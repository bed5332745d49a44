// What an edge shows to clients where the mesh issues it, on a real Envoy: to who trusts the root of the mesh; never a name
// of the control plane; after a restart; and beside listeners of the port that have no certificate.
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith, eventuallyPasses, freePort } from '../support/real-parts.ts';
import { startTrustRig, type TrustRig } from './trust-rig.ts';

describeWith(['envoy'], 'a certificate of the mesh at the edge', () => {
  const stack = new AsyncDisposableStack();
  let rig: TrustRig;
  let port = 0;
  let ca = '';

  /** Names and serial of what is shown to a client that trusts the root of the mesh alone; rejects where it does not fit. */
  function hello(servername: string): Promise<{ readonly names: string; readonly serial: string }> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, servername, ca }, () => {
        const { subjectaltname = '', serialNumber } = socket.getPeerCertificate();
        resolve({ names: subjectaltname, serial: serialNumber });
        socket.destroy();
      });
      socket.setTimeout(5000, () => socket.destroy(new Error('time-out')));
      socket.once('error', reject);
    });
  }

  const problems = async (): Promise<string[]> =>
    (await rig.product.status()).problems.map(({ code, message }) => `${code} ${message}`);

  beforeAll(async () => {
    rig = stack.use(await startTrustRig());
    port = await freePort();
    ca = ((await (await rig.product.api('GET', '/api/v1/trust/roots')).json()) as { roots: string }).roots;
    const listener = (name: string): string =>
      `    - { name: ${name}, port: ${port}, protocol: https, hosts: [${name}.example], tls: { certificate: ${name} } }`;
    rig.product.write(
      'edge.yaml',
      [
        `apiVersion: chancery/v1\nkind: Gateway\nmetadata: { name: edge }\nspec:\n  listeners:\n${['shop', 'lost', 'stolen'].map(listener).join('\n')}`,
        `{ apiVersion: chancery/v1, kind: Certificate, metadata: { name: shop }, spec: { issuer: mesh, hosts: [shop.example, "*.shop.example"] } }`,
        `{ apiVersion: chancery/v1, kind: Certificate, metadata: { name: lost }, spec: { files: { cert: ${join(rig.folder, 'none.pem')}, key: ${join(rig.folder, 'none-key.pem')} } } }`,
        `{ apiVersion: chancery/v1, kind: Certificate, metadata: { name: stolen }, spec: { issuer: mesh, hosts: [stolen.example, localhost] } }`,
        `{ apiVersion: chancery/v1, kind: Service, metadata: { name: web } }`,
        `{ apiVersion: chancery/v1, kind: Route, metadata: { name: all }, spec: { hosts: ["*.example"], rules: [{ to: [{ service: web }] }] } }`,
      ].join('\n---\n'),
    );
    await rig.envoy('edge-1', { gateways: ['edge'] }, ['--gateway', 'edge']);
  }, 90_000);
  afterAll(() => stack.disposeAsync());

  it('is shown to clients that trust the root, for its hosts and no identity', async () => {
    await eventuallyPasses(async () =>
      expect((await hello('shop.example')).names).toBe('DNS:shop.example, DNS:*.shop.example'),
    );
  }, 30_000);

  it('is served though another listener of the port has nothing to show, which clients refuse and which is said', async () => {
    await expect(hello('lost.example')).rejects.toThrow(/not-there\.invalid/);
    expect(await problems()).toContainEqual(expect.stringMatching(/^CH1246 .*none\.pem cannot be read/));
  });

  it('T6: is never for a name of the control plane', async () => {
    await expect(hello('stolen.example')).rejects.toThrow(/not-there\.invalid/);
    expect(await problems()).toContainEqual(expect.stringMatching(/^CH1266 .*"localhost"/));
  });

  it('is another after a restart of the control plane, and the port serves meanwhile', async () => {
    const before = await hello('shop.example');
    await rig.product.kill();
    expect(await hello('shop.example')).toEqual(before);
    await rig.product.start();
    await eventuallyPasses(async () => {
      const after = await hello('shop.example');
      expect(after.names).toBe(before.names);
      expect(after.serial).not.toBe(before.serial);
    });
  }, 60_000);
});
