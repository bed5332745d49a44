// Certificates of proxies from Consul's Connect, on a real Consul and real Envoys: the names that Consul gives, whom a service
// lets in, an authority of Consul that is replaced under traffic, and a Consul that is away.
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { ask, startLoad } from '../support/load.ts';
import { type RunningConsul, startConsul } from '../support/real-consul.ts';
import { describeWith, eventually } from '../support/real-parts.ts';
import { type NodeSecrets, type ShortLivedMesh, startShortLivedMesh } from './short-lived-mesh.ts';
import { newKey } from './trust-rig.ts';

interface RootsAnswer {
  readonly TrustDomain: string;
  readonly ActiveRootID: string;
  readonly Roots: readonly { readonly ID: string; readonly RootCert: string }[];
}

const config = { connect: { enabled: true } };

describeWith(['envoy', 'consul'], 'certificates of Connect', () => {
  let consul: RunningConsul;
  let other: RunningConsul;
  let mesh: ShortLivedMesh;
  let token = '';
  beforeAll(async () => {
    consul = await startConsul({ acl: true, config });
    other = await startConsul({ config });
    const may = ['api', 'web', 'chancery-gateway-edge'];
    const rules = may.map((one) => `service "${one}" { policy = "write" }`).join(' ');
    await consul.call('PUT', '/v1/acl/policy', { Name: 'mesh', Rules: rules });
    const made = await consul.call('PUT', '/v1/acl/token', { Policies: [{ Name: 'mesh' }] });
    token = (made as { readonly SecretID: string }).SecretID;
    mesh = await startShortLivedMesh({}, (folder) => {
      const tokenFile = join(folder, 'consul-token');
      writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
      return { connect: { address: consul.url, tokenFile } };
    });
  }, 90_000);
  afterAll(async () => {
    await mesh[Symbol.asyncDispose]();
    await Promise.all([consul.kill(), other.kill()]);
  });

  const rootsOf = async (of: RunningConsul): Promise<RootsAnswer> =>
    (await of.call('GET', '/v1/agent/connect/ca/roots')) as RootsAnswer;
  /** Straight from an agent, as any other program of Connect has it. */
  async function leafOf(of: RunningConsul, service: string): Promise<NodeSecrets> {
    const answer = await of.call('GET', `/v1/agent/connect/ca/leaf/${service}`);
    const { CertPEM: cert, PrivateKeyPEM: key } = answer as {
      readonly CertPEM: string;
      readonly PrivateKeyPEM: string;
    };
    return { cert, key, ca: mesh.secretsOf('web-1').ca };
  }
  const nameIn = (certificate: string | Uint8Array): string | undefined =>
    new X509Certificate(certificate).subjectAltName;
  const print = (pem: string): string => new X509Certificate(pem).fingerprint256;
  /** The names of each proxy's certificate are the second part. */
  const name = async (service: string): Promise<string> =>
    `spiffe://${(await rootsOf(consul)).TrustDomain}/ns/default/dc/dc1/svc/${service}`;

  it('bear the names that Consul gives; the xDS port and nodes keep an authority of their own', async () => {
    expect(nameIn(mesh.secretsOf('web-1').cert)).toBe(`URI:${await name('web')}`);
    expect(nameIn(mesh.secretsOf('api-1').cert)).toBe(`URI:${await name('api')}`);
    expect(print(mesh.secretsOf('web-1').ca)).toBe(print((await rootsOf(consul)).Roots[0]?.RootCert ?? ''));
    expect(await mesh.handshake()).not.toHaveProperty('failure');
    expect(await mesh.handshake(await leafOf(consul, 'web'))).not.toHaveProperty('failure');
    const own = mesh.plane().trust?.authority.roots().roots[0]?.certificate ?? new Uint8Array(0);
    expect(nameIn(own)).toBe('URI:spiffe://service.local');
  });

  it('T6: let in nobody of another Connect, and nobody with the credential of a node', async () => {
    const { ca } = mesh.secretsOf('web-1');
    expect(await mesh.handshake({ ...(await leafOf(other, 'web')), ca })).toHaveProperty('failure');
    const { publicKey, key } = newKey();
    const made = await mesh.plane().trust?.authority.certify({
      ...{ spiffeId: 'spiffe://service.local/svc/web', lifeMs: 3_600_000 },
      publicKey: Buffer.from(publicKey, 'base64'),
    });
    const cert = (made?.chain ?? []).map((der) => new X509Certificate(der).toString()).join('');
    expect(await mesh.handshake({ cert, key, ca })).toHaveProperty('failure');
    expect(await mesh.handshake()).not.toHaveProperty('failure');
  });

  it('T6: of another service of the same Connect are not taken for those of the callee', {
    timeout: 60_000,
  }, async () => {
    const port = await freePort();
    let reached = 0;
    const impostor = createServer(
      { ...(await leafOf(consul, 'web')), requestCert: true, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] },
      (_, response) => {
        reached++;
        response.end('impostor');
      },
    ).listen(port, '127.0.0.1');
    const proxy = { address: '127.0.0.1', port, localAddress: '127.0.0.1', localPort: port };
    mesh.registry.register('api', { id: 'api-2', address: '127.0.0.1', port, proxy });
    try {
      const load = startLoad({ port: mesh.outbound, host: 'api', perSecond: 50, maxSeconds: 50 });
      await eventually(async () => ((await mesh.failedHandshakes())['fail_verify_san'] ?? 0) > 0, {
        deadlineMs: 30_000,
      });
      await load.stop();
      expect(reached).toBe(0);
    } finally {
      mesh.registry.deregister('api', 'api-2');
      impostor.closeAllConnections();
      await new Promise((resolve) => impostor.close(resolve));
    }
  });

  it('of a gateway bear the name that is its alone, and rules for it hold', { timeout: 60_000 }, async () => {
    const port = await freePort();
    const documents = [
      `kind: Gateway\nmetadata: {name: edge}\nspec: {listeners: [{name: plain, address: 127.0.0.1, port: ${port}}]}\n`,
      'kind: Route\nmetadata: {name: edge}\nspec: {gateways: [edge], hosts: [api.example], rules: [{to: [{service: api}]}]}\n',
      'kind: Authorization\nmetadata: {name: api}\nspec: {service: api, allow: [{from: [web]}, {from: [gateway/edge], to: [{paths: [{prefix: /open}]}]}]}\n',
    ];
    for (const [index, text] of documents.entries())
      await mesh.objects.put({ path: `${index}.yaml`, text: `apiVersion: chancery/v1\n${text}` });
    await mesh.gateway('edge-1', 'edge');
    const status = async (path: string): Promise<number> => (await ask({ port, host: 'api.example', path })).status;
    await eventually(async () => (await status('/open/x')) === 200, { deadlineMs: 30_000 });
    expect(nameIn(mesh.secretsOf('edge-1').cert)).toBe(`URI:${await name('chancery-gateway-edge')}`);
    expect(await status('/closed')).toBe(403);
    expect(await mesh.handshake()).not.toHaveProperty('failure');
    for (const [index] of documents.entries()) await mesh.objects.remove(`${index}.yaml`);
  });

  it('go over to another authority of Consul, and no request and no handshake fails', {
    timeout: 150_000,
  }, async () => {
    const load = startLoad({ port: mesh.outbound, host: 'api', perSecond: 100, maxSeconds: 140 });
    const failures: string[] = [];
    const before = await mesh.failedHandshakes();
    const [former] = (await rootsOf(consul)).Roots;
    const key = execFileSync('openssl', ['ecparam', '-name', 'prime256v1', '-genkey', '-noout'], { stdio: 'pipe' });
    const { Config } = (await consul.call('GET', '/v1/connect/ca/configuration')) as { readonly Config: object };
    await consul.call('PUT', '/v1/connect/ca/configuration', {
      Provider: 'consul',
      Config: { ...Config, PrivateKey: key.toString(), RootCert: '' },
    });
    const { ActiveRootID, Roots } = await rootsOf(consul);
    const active = Roots.find(({ ID }) => ID === ActiveRootID)?.RootCert ?? '';
    expect(print(active)).not.toBe(print(former?.RootCert ?? ''));
    const end = performance.now() + 100_000;
    for (;;) {
      const { failure } = await mesh.handshake();
      if (failure !== undefined) failures.push(failure);
      const roots = mesh.plane().trust?.mesh.roots().roots ?? [];
      const bundle = mesh.secretsOf('api-1').ca.split(/(?=-----BEGIN)/);
      const over =
        bundle.length === 2 &&
        mesh
          .plane()
          .control.certificates()
          .every(({ root }) => root === roots[0]?.keyId);
      if (over && print(bundle[0] ?? '') === print(active)) break;
      if (performance.now() > end) throw new Error(`it stands still: ${mesh.warnings().join('\n')}`);
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    // The former root signed the new one: whoever knows only that one is not cut off.
    const chain = mesh
      .secretsOf('web-1')
      .cert.split(/(?=-----BEGIN)/)
      .map((pem) => new X509Certificate(pem));
    expect(chain).toHaveLength(2);
    expect(chain[1]?.verify(new X509Certificate(former?.RootCert ?? '').publicKey)).toBe(true);
    const { sent, failures: lost } = await load.stop();
    expect(failures).toEqual([]);
    expect(lost).toEqual({});
    expect(sent).toBeGreaterThan(500);
    expect(await mesh.failedHandshakes()).toEqual(before);
  });

  it('are refused with a code where the token may not have them, and those that are there serve on', async () => {
    const authority = mesh.plane().trust?.mesh;
    const ask = async (service: string): Promise<unknown> =>
      authority?.issue({ spiffeId: await name(service), seed: 'x', urgency: 'none-yet' });
    const failure = await ask('billing').catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'CH1886' });
    expect(String(failure)).not.toContain(token);
    await expect(
      authority?.issue({ spiffeId: 'spiffe://service.local/svc/web', seed: 'x', urgency: 'none-yet' }),
    ).rejects.toMatchObject({ code: 'CH1809' });
    expect(await mesh.handshake()).not.toHaveProperty('failure');
  });

  it('that were issued serve on while Consul is away', async () => {
    const serial = new X509Certificate(mesh.secretsOf('web-1').cert).serialNumber;
    await consul.kill();
    const authority = mesh.plane().trust?.mesh;
    await eventually(() => mesh.warnings().some((line) => line.includes('cannot be followed')), { deadlineMs: 30_000 });
    const spiffeId = (nameIn(mesh.secretsOf('web-1').cert) ?? '').slice('URI:'.length);
    await expect(authority?.issue({ spiffeId, seed: 'x', urgency: 'none-yet' })).rejects.toMatchObject({
      code: 'CH1885',
    });
    expect(authority?.roots().roots).toHaveLength(2);
    expect(await mesh.handshake()).not.toHaveProperty('failure');
    expect(new X509Certificate(mesh.secretsOf('web-1').cert).serialNumber).toBe(serial);
  });
});
