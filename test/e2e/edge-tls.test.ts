// TLS at the edge on real Envoys: certificates from files, by server name; HTTP/2; redirects; client certificates; and what
// happens under load when a certificate is replaced, and when its file is broken.
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { request } from 'node:https';
import { join } from 'node:path';
import { type ConnectionOptions, connect } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startBackend } from '../support/backends.ts';
import { type Authority, createAuthority, replaceFile } from '../support/certificates.ts';
import { ask } from '../support/load.ts';
import { describeWith, eventuallyPasses, freePorts, whenPortIsFree } from '../support/real-parts.ts';
import { startTrustRig, type TrustRig } from './trust-rig.ts';

interface Seen {
  /** Of the certificate that the edge showed. */
  readonly fingerprint: string;
  readonly names: string;
  readonly protocol: string | false | null;
}

interface Reply {
  readonly status: number;
  readonly body: string;
  readonly location: string;
}

describeWith(['envoy'], 'edge TLS', () => {
  const stack = new AsyncDisposableStack();
  let rig: TrustRig;
  let authority: Authority;
  let ca: Buffer;
  let edge = 0;
  let plain = 0;
  let sealed = 0;

  /** A connection that trusts the test's authority alone, with everything it saw. */
  const hello = (servername: string, options: ConnectionOptions = {}): Promise<Seen> =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port: edge, servername, ca, ...options }, () => {
        const { fingerprint256, subjectaltname = '' } = socket.getPeerCertificate();
        resolve({ fingerprint: fingerprint256, names: subjectaltname, protocol: socket.alpnProtocol });
        socket.destroy();
      });
      socket.setTimeout(5000, () => socket.destroy(new Error('time-out')));
      socket.once('error', reject);
    });

  const get = (servername: string, options: ConnectionOptions & { readonly host?: string } = {}): Promise<Reply> =>
    new Promise((resolve, reject) => {
      const { host = servername, ...shown } = options;
      const sent = request(
        { host: '127.0.0.1', port: edge, servername, ca, agent: false, headers: { host }, timeout: 5000, ...shown },
        (response) => {
          const parts: Buffer[] = [];
          response.on('data', (part: Buffer) => parts.push(part));
          response.once('error', reject);
          response.once('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              body: Buffer.concat(parts).toString(),
              location: response.headers.location ?? '',
            }),
          );
        },
      );
      sent.once('timeout', () => sent.destroy(new Error('time-out')));
      sent.once('error', reject);
      sent.end();
    });

  const file = (name: string): string => join(rig.folder, name);
  const problems = async (): Promise<string[]> =>
    (await rig.product.status()).problems.map(({ code, message }) => `${code} ${message}`);

  beforeAll(async () => {
    rig = stack.use(await startTrustRig());
    authority = createAuthority(rig.folder, 'edge-ca');
    ca = readFileSync(authority.ca);
    [edge = 0, plain = 0, sealed = 0] = await freePorts(3);
    for (const name of ['shop', 'admin']) {
      const made = authority.leaf(`${name}-1`, `DNS:${name}.example`);
      replaceFile(made.cert, file(`${name}-cert.pem`));
      replaceFile(made.key, file(`${name}-key.pem`));
    }
    const certificate = (name: string): string =>
      `{ apiVersion: chancery/v1, kind: Certificate, metadata: { name: ${name} }, spec: { files: { cert: ${file(`${name}-cert.pem`)}, key: ${file(`${name}-key.pem`)} } } }`;
    rig.product.write(
      'edge.yaml',
      [
        `apiVersion: chancery/v1
kind: Gateway
metadata: { name: edge }
spec:
  listeners:
    - { name: plain, port: ${plain}, httpsRedirect: true }
    - { name: shop, port: ${edge}, protocol: https, hosts: [shop.example], tls: { certificate: shop } }
    - { name: admin, port: ${edge}, protocol: https, hosts: [admin.example], tls: { certificate: admin, client: required } }
    - { name: sealed, port: ${edge}, protocol: tls, hosts: [sealed.example] }`,
        certificate('shop'),
        certificate('admin'),
        `{ apiVersion: chancery/v1, kind: Route, metadata: { name: all }, spec: { hosts: ["*.example"], rules: [{ to: [{ service: web }] }] } }`,
        `{ apiVersion: chancery/v1, kind: Service, metadata: { name: vault }, spec: { protocol: tcp, tls: none } }`,
        `{ apiVersion: chancery/v1, kind: Service, metadata: { name: web }, spec: { tls: none } }`,
        `{ apiVersion: chancery/v1, kind: Route, metadata: { name: sealed }, spec: { hosts: [sealed.example], protocol: tcp, rules: [{ to: [{ service: vault }] }] } }`,
      ].join('\n---\n'),
    );
    const { port } = stack.use(await startBackend('web-1'));
    await rig.registry.put({ service: 'web', id: 'web-1', port });
    await rig.registry.put({ service: 'vault', id: 'vault-1', port: sealed });
    await rig.envoy('edge-1', { gateways: ['edge'] }, ['--gateway', 'edge']);
    await eventuallyPasses(async () => expect((await get('shop.example')).status).toBe(200));
  }, 90_000);
  afterAll(() => stack.disposeAsync());

  it('shows each host its own certificate on one port, and nothing to a name that it does not have', async () => {
    const certificate = await rig.certificate({ services: ['app'] });
    expect((await hello('shop.example')).names).toBe('DNS:shop.example');
    expect((await hello('admin.example', certificate)).names).toBe('DNS:admin.example');
    await expect(hello('other.example')).rejects.toThrow();
  });

  it('speaks HTTP/2 to who offers it, and HTTP/1.1 to who does not', async () => {
    expect((await hello('shop.example', { ALPNProtocols: ['h2', 'http/1.1'] })).protocol).toBe('h2');
    expect((await hello('shop.example', { ALPNProtocols: ['http/1.1'] })).protocol).toBe('http/1.1');
    const session = connectHttp2('https://shop.example', {
      createConnection: () =>
        connect({ host: '127.0.0.1', port: edge, servername: 'shop.example', ca, ALPNProtocols: ['h2'] }),
    });
    const status = await new Promise((resolve, reject) => {
      session.once('error', reject);
      const stream = session.request({ ':path': '/', ':authority': 'shop.example' });
      stream.once('response', (headers) => resolve(headers[':status']));
      stream.resume();
    });
    session.destroy();
    expect(status).toBe(200);
  });

  it('takes no TLS below 1.2', async () => {
    await expect(
      hello('shop.example', { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
    ).rejects.toThrow(/alert protocol version/);
    expect((await hello('shop.example', { maxVersion: 'TLSv1.2' })).names).toBe('DNS:shop.example');
  });

  it('sends what comes in plaintext to the same place by https', async () => {
    const reply = await ask({ port: plain, host: `shop.example:${plain}`, path: '/a?b=c' });
    expect(reply.status).toBe(301);
    expect(reply.headers['location']).toBe(`https://shop.example:${edge}/a?b=c`);
  });

  it('lets in with a certificate of the mesh alone where one is required, and tells the service whose it is', async () => {
    const foreign = authority.leaf('foreign', 'URI:spiffe://service.local/svc/app');
    const stranger = { cert: readFileSync(foreign.cert), key: readFileSync(foreign.key) };
    await expect(get('admin.example')).rejects.toThrow();
    await expect(get('admin.example', stranger)).rejects.toThrow();
    const reply = await get('admin.example', await rig.certificate({ services: ['app'] }));
    expect(reply.status).toBe(200);
    expect(reply.body).toContain('URI=spiffe://service.local/svc/app');
  });

  it('does not let one host be asked for on a connection to another', async () => {
    expect((await get('shop.example', { host: 'admin.example' })).status).toBe(421);
  });

  it('passes TLS on by its server name, unread', async () => {
    const own = authority.leaf('sealed', 'DNS:sealed.example');
    const { createServer } = await import('node:tls');
    const server = createServer({ cert: readFileSync(own.cert), key: readFileSync(own.key) }, (socket) => socket.end());
    await whenPortIsFree(() => once(server.listen(sealed, '127.0.0.1'), 'listening'));
    try {
      await eventuallyPasses(async () => expect((await hello('sealed.example')).names).toBe('DNS:sealed.example'));
    } finally {
      server.close();
    }
  });

  it('shows a certificate that replaced the old one to new connections, and loses no request', async () => {
    const before = (await hello('shop.example')).fingerprint;
    const made = authority.leaf('shop-2', 'DNS:shop.example');
    const failures: string[] = [];
    let sent = 0;
    const running = new Set<Promise<unknown>>();
    const timer = setInterval(() => {
      sent++;
      const one = get('shop.example').then(
        ({ status }) => void (status === 200 || failures.push(`status ${status}`)),
        (error: Error) => failures.push(error.message),
      );
      running.add(one);
      void one.finally(() => running.delete(one));
    }, 20);
    try {
      // As renewing tools do: one after the other, so that they do not fit together for a while.
      replaceFile(made.cert, file('shop-cert.pem'));
      await new Promise((resolve) => setTimeout(resolve, 200));
      replaceFile(made.key, file('shop-key.pem'));
      await eventuallyPasses(async () => expect((await hello('shop.example')).fingerprint).not.toBe(before));
    } finally {
      clearInterval(timer);
      await Promise.all(running);
    }
    expect(sent).toBeGreaterThan(10);
    expect(failures).toEqual([]);
    expect(await problems()).not.toContainEqual(expect.stringContaining('CH1246'));
  }, 30_000);

  it('keeps the old certificate while a file is broken, names the file, and tells nothing of what is in it', async () => {
    const before = (await hello('shop.example')).fingerprint;
    const key = readFileSync(file('shop-key.pem'), 'utf8');
    const half = key.slice(0, key.length / 2);
    writeFileSync(file('shop-key.pem'), half);
    await eventuallyPasses(async () =>
      expect(await problems()).toContainEqual(expect.stringMatching(/^CH1246 .*shop-key\.pem /)),
    );
    expect((await hello('shop.example')).fingerprint).toBe(before);
    expect((await get('shop.example')).status).toBe(200);
    const secret = half.split('\n')[1] ?? expect.fail('no key');
    expect((await problems()).join('\n') + rig.product.process().logs()).not.toContain(secret);
    writeFileSync(file('shop-key.pem'), key);
    await eventuallyPasses(async () => expect(await problems()).not.toContainEqual(expect.stringContaining('CH1246')));
  }, 30_000);

  it('T1: reads no key of the control plane for an edge', async () => {
    const path = (name: string): string => join(rig.product.state, 'xds', name);
    rig.product.write(
      'stolen.yaml',
      `{ apiVersion: chancery/v1, kind: Certificate, metadata: { name: stolen }, spec: { files: { cert: ${path('certificate.pem')}, key: ${path('key.pem')} } } }`,
    );
    await eventuallyPasses(async () =>
      expect(await problems()).toContainEqual(expect.stringMatching(/^CH1246 .*is a file of the control plane/)),
    );
    rig.product.remove('stolen.yaml');
  });
});
