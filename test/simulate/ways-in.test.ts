// Every way into a real sidecar where an Authorization holds: mutual TLS, an application's own TLS and plaintext, with
// requests and with bytes. Whoever has no name to show meets no rule that names somebody, and hears nothing either.
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Backend, startBackend } from '../support/backends.ts';
import { describeWithOpenssl } from '../support/certificates.ts';
import { createMeshScene, type MeshScene } from '../support/mesh-scene.ts';
import { describeWith, freePort, type RunningEnvoy } from '../support/real-parts.ts';

const id = (service: string): string => `spiffe://service.local/svc/${service}`;
const greeting = 'the server speaks first';

interface Way {
  readonly port: number;
  /** Undefined: plaintext. */
  readonly tls?: { readonly leaf?: { readonly cert: string; readonly key: string }; readonly alpn: readonly string[] };
  /** Empty: only listens. */
  readonly says: string;
  /** What is waited for; until then, or until the other end closes. */
  readonly until: string;
}

/** What was heard, and whether the connection was closed without what was waited for. */
function hear({ port, tls, says, until }: Way): Promise<string> {
  return new Promise((resolve) => {
    let heard = '';
    const opened = (): void => {
      if (says !== '') socket.write(says);
    };
    const at = { port, host: '127.0.0.1' };
    const { leaf, alpn = [] } = tls ?? {};
    const pair = leaf === undefined ? {} : { cert: readFileSync(leaf.cert), key: readFileSync(leaf.key) };
    const socket: Socket =
      tls === undefined
        ? connect(at, opened)
        : connectTls({ ...at, rejectUnauthorized: false, ALPNProtocols: [...alpn], ...pair }, opened);
    socket.on('data', (data: Buffer) => {
      heard += data.toString();
      if (heard.includes(until)) socket.destroy();
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(heard));
  });
}

describeWithOpenssl('ways into a service with an Authorization', () => {
  for (const [part, options] of [
    ['envoy', {}],
    ['envoy-oldest', { bin: 'oldest' }],
  ] as const) {
    describeWith([part], `on ${part}`, () => {
      let scene: MeshScene;
      let backend: Backend;
      let speaker: Server;
      let app = 0;
      const leaves: Record<string, { readonly cert: string; readonly key: string }> = {};

      beforeAll(async () => {
        scene = createMeshScene();
        for (const name of ['web', 'api']) leaves[name] = scene.authority.leaf(name, `URI:${id(name)}`);
        backend = await startBackend('cart');
        speaker = createServer((socket) => {
          socket.on('error', () => {}).on('data', (data: Buffer) => socket.write(`heard ${data.toString()}`));
          socket.write(greeting);
        });
        await new Promise<void>((resolve) => speaker.listen(0, '127.0.0.1', resolve));
        app = (speaker.address() as AddressInfo).port;
      }, 60_000);
      afterAll(async () => {
        await scene.end();
        await backend.crash();
        speaker.close();
      });

      async function sidecar(protocol: 'http' | 'tcp', mode: 'strict' | 'permissive', spec: string) {
        const port = await freePort();
        const appPort = protocol === 'tcp' ? app : backend.port;
        const envoy: RunningEnvoy = await scene.sidecar(
          id('cart'),
          `certificates: true
profile: { role: sidecar, service: cart, upstreams: [], inbound: [{ address: 127.0.0.1, port: ${port}, appAddress: 127.0.0.1, appPort: ${appPort} }] }
---
{ apiVersion: chancery/v1, kind: Service, metadata: { name: cart }, spec: { protocol: ${protocol}, tls: ${mode} } }
---
{ apiVersion: chancery/v1, kind: Authorization, metadata: { name: cart }, spec: { service: cart, ${spec} } }`,
          options,
        );
        return { envoy, port };
      }

      const mesh = (name: string, version: string[] = []) => ({
        leaf: leaves[name] ?? expect.fail(),
        alpn: ['chancery', ...version],
      });
      const get = 'GET /a HTTP/1.1\r\nhost: cart\r\nconnection: close\r\n\r\n';

      it('T24: requests: who is named, and nobody else, whichever way it comes', async () => {
        const { envoy, port } = await sidecar('http', 'permissive', 'allow: [{from: [web]}]');
        const ask = async (tls?: Way['tls']): Promise<string> => {
          const heard = await hear({ port, says: get, until: '\r\n\r\n', ...(tls && { tls }) });
          return heard.slice(0, 'HTTP/1.1 200'.length);
        };
        expect(await ask(mesh('web', ['http/1.1']))).toBe('HTTP/1.1 200');
        expect(await ask(mesh('api', ['http/1.1']))).toBe('HTTP/1.1 403');
        expect(await ask()).toBe('HTTP/1.1 403');
        // Not ours to read: the bytes would go through to the application.
        expect(await ask({ alpn: ['http/1.1'] })).toBe('');
        expect(await ask({ leaf: leaves['web'] ?? expect.fail(), alpn: ['http/1.1'] })).toBe('');
        expect(await envoy.stat('http.inbound_PORT.rbac.denied'.replace('PORT', String(port)))).toBe(1);
        expect(await envoy.stat('http.inbound_PORT_plaintext.rbac.denied'.replace('PORT', String(port)))).toBe(1);
        expect(backend.requests()).toBe(1);
      });

      it('requests: what nobody has to be named for, every way', async () => {
        const { port } = await sidecar('http', 'permissive', 'allow: [{to: [{paths: [/a]}]}]');
        expect(await hear({ port, says: get, until: '\r\n\r\n' })).toContain(' 200 ');
        expect(await hear({ port, says: get, until: '\r\n\r\n', tls: mesh('api', ['http/1.1']) })).toContain(' 200 ');
        const other = get.replace('/a', '/b');
        expect(await hear({ port, says: other, until: '\r\n\r\n' })).toContain(' 403 ');
      });

      it('T24: bytes: who is not named is not even greeted', async () => {
        for (const mode of ['permissive', 'strict'] as const) {
          const { port } = await sidecar('tcp', mode, 'allow: [{from: [web]}]');
          const until = greeting;
          expect(await hear({ port, says: '', until, tls: mesh('web') })).toBe(greeting);
          for (const says of ['', 'a word']) {
            expect(await hear({ port, says, until, tls: mesh('api') })).toBe('');
            expect(await hear({ port, says, until, tls: { alpn: [] } })).toBe('');
            expect(await hear({ port, says, until })).toBe('');
          }
        }
      });

      it('bytes: a name that is denied among all others is refused at its first word', async () => {
        const { envoy, port } = await sidecar('tcp', 'strict', 'deny: [{from: [web]}]');
        const until = 'heard';
        expect(await hear({ port, says: 'a word', until, tls: mesh('api') })).toContain('heard a word');
        expect(await hear({ port, says: 'a word', until, tls: mesh('web') })).not.toContain('heard');
        expect(await envoy.stat('authorization.rbac.denied')).toBe(1);
        expect(await envoy.stat('authorization.rbac.allowed')).toBe(1);
      });

      it('bytes: shadow refuses nobody, and counts', async () => {
        const { envoy, port } = await sidecar('tcp', 'permissive', 'mode: shadow, allow: [{from: [web]}]');
        for (const tls of [mesh('web'), mesh('api'), undefined])
          expect(await hear({ port, says: 'a word', until: 'heard', ...(tls && { tls }) })).toContain('heard a word');
        expect(await envoy.stat('authorization.rbac.shadow_denied')).toBe(2);
      });
    });
  }
});
