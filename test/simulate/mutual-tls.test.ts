// Mutual TLS between real sidecars: who gets in, in strict and in permissive, and whom a caller believes.

import { readFileSync } from 'node:fs';
import { createServer as createHttp2Server, type Http2Server } from 'node:http2';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect as connectTcp, createServer as createTcpServer, type Server } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Answer, type Backend, startBackend } from '../support/backends.ts';
import { describeWithOpenssl } from '../support/certificates.ts';
import { ask } from '../support/load.ts';
import { createMeshScene, type MeshScene } from '../support/mesh-scene.ts';
import { describeWith, eventually, freePort, freePorts, type RunningEnvoy } from '../support/real-parts.ts';

type Mode = 'strict' | 'permissive';
const id = (service: string): string => `spiffe://service.local/svc/${service}`;
/** What the callee is told of its one caller. */
const named = (caller: string): RegExp => new RegExp(`\\bBy=${id('api')};Hash=[0-9a-f]{64};URI=${id(caller)}("|$)`);
const listen = (server: Pick<Server, 'listen' | 'address' | 'once'>): Promise<number> =>
  new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)));

interface TlsCaller {
  readonly port: number;
  readonly leaf?: { readonly cert: string; readonly key: string };
  readonly alpn?: readonly string[];
  readonly version?: 'TLSv1.2' | 'TLSv1.3';
}

interface Said {
  readonly answer: string;
  readonly sessions: number;
  /** CN of the certificate that was shown. */
  readonly shown: string;
}

/** One request over TLS; undefined: the connection was refused, in the handshake or behind it. */
function sayOverTls({ port, leaf, alpn = ['chancery', 'http/1.1'], version }: TlsCaller): Promise<Said | undefined> {
  return new Promise((resolve) => {
    const socket: TLSSocket = connectTls({
      port,
      host: '127.0.0.1',
      // Who is asked does not matter here, only who is let in.
      rejectUnauthorized: false,
      ALPNProtocols: [...alpn],
      ...(leaf === undefined ? {} : { cert: readFileSync(leaf.cert), key: readFileSync(leaf.key) }),
      ...(version === undefined ? {} : { minVersion: version, maxVersion: version }),
    });
    let answer = '';
    let sessions = 0;
    let shown = '';
    socket.on('session', () => sessions++);
    socket.on('secureConnect', () => {
      shown = String(socket.getPeerCertificate().subject.CN);
      socket.write(
        'GET /who HTTP/1.1\r\nhost: api\r\nx-forwarded-client-cert: URI=spiffe://service.local/svc/forged\r\nconnection: close\r\n\r\n',
      );
    });
    socket.on('data', (data: Buffer) => {
      answer += data.toString();
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(answer === '' ? undefined : { answer, sessions, shown }));
  });
}

describeWithOpenssl('mutual TLS', () => {
  for (const [part, bin] of [
    ['envoy', undefined],
    ['envoy-oldest', 'oldest'],
  ] as const) {
    describeWith([part], `on ${part}`, () => {
      const options = bin === undefined ? {} : { bin };
      let scene: MeshScene;
      let backend: Backend;
      let h2: Http2Server;
      let tcp: Server;
      let tlsApp: ReturnType<typeof createTlsServer>;
      let ports: Record<'http' | 'h2' | 'tcp' | 'tls', number>;
      let caller: RunningEnvoy;
      let outbound = 0;
      let outboundTcp = 0;
      /** Of the listeners before the applications. */
      const inbound: Record<string, number> = {};

      const callee = async (service: string, mode: Mode, protocol: string, app: number, shows = service) => {
        const port = await freePort();
        const key = shows === service ? `${service}/${mode}` : `${service} as ${shows}`;
        inbound[key] = port;
        return scene.sidecar(
          id(shows),
          `certificates: true
profile: { role: sidecar, service: ${service}, upstreams: [], inbound: [{ address: 127.0.0.1, port: ${port}, appAddress: 127.0.0.1, appPort: ${app} }] }
---
{ apiVersion: chancery/v1, kind: Service, metadata: { name: ${service} }, spec: { protocol: ${protocol}, tls: ${mode} } }`,
          options,
        );
      };

      beforeAll(async () => {
        scene = createMeshScene();
        backend = await startBackend('api');
        h2 = createHttp2Server((incoming, response) => response.end(`h2 ${incoming.httpVersion}`));
        tcp = createTcpServer((socket) => {
          // The server speaks first.
          socket.write('hello ');
          socket.on('data', (data: Buffer) => socket.end(`echo ${data.toString()}`));
          socket.on('error', () => {});
        });
        const own = scene.stranger.leaf('application', 'DNS:application');
        tlsApp = createTlsServer({ cert: readFileSync(own.cert), key: readFileSync(own.key) }, (_incoming, response) =>
          response.end('own TLS'),
        );
        ports = {
          http: backend.port,
          h2: await listen(h2),
          tcp: await listen(tcp),
          tls: await listen(tlsApp),
        };
        await Promise.all([
          callee('api', 'strict', 'http', ports.http),
          callee('api', 'permissive', 'http', ports.http),
          callee('own', 'permissive', 'http', ports.tls),
          callee('streams', 'strict', 'http2', ports.h2),
          callee('db', 'permissive', 'tcp', ports.tcp),
          callee('api', 'strict', 'http', ports.http, 'cart'),
        ]);
        [outbound = 0, outboundTcp = 0] = await freePorts(2);
        const at = (name: string): string => `{ address: 127.0.0.1, port: 1, proxyPort: ${inbound[name]} }`;
        caller = await scene.sidecar(
          id('web'),
          `certificates: true
profile: { role: sidecar, service: web, inbound: [], outbound: { address: 127.0.0.1, port: ${outbound} }, upstreams: [{ service: db, address: 127.0.0.1, port: ${outboundTcp} }] }
instances:
  api: [${at('api/strict')}]
  mixed: [{ address: 127.0.0.1, port: ${ports.http} }]
  streams: [${at('streams/strict')}]
  db: [${at('db/permissive')}]
  rogue: [${at('api as cart')}]
  other: [${at('api/strict')}]
---
{ apiVersion: chancery/v1, kind: Service, metadata: { name: api }, spec: { health: { active: { path: /healthz, interval: 200ms } } } }
---
{ apiVersion: chancery/v1, kind: Service, metadata: { name: mixed }, spec: { tls: permissive } }
---
{ apiVersion: chancery/v1, kind: Service, metadata: { name: streams }, spec: { protocol: http2 } }
---
{ apiVersion: chancery/v1, kind: Service, metadata: { name: db }, spec: { protocol: tcp } }`,
          options,
        );
      }, 120_000);
      afterAll(async () => {
        await scene?.end();
        await backend?.crash();
        for (const server of [h2, tcp, tlsApp]) server?.close();
      });

      const xfcc = ({ body }: { readonly body: string }): string | undefined =>
        (JSON.parse(body) as Answer).headers['x-forwarded-client-cert'];

      it('T24: the callee learns who calls from the certificate alone', async () => {
        const headers = { 'x-forwarded-client-cert': `URI=${id('forged')}` };
        const reply = await ask({ port: outbound, host: 'api', headers });
        expect(reply.status).toBe(200);
        expect(xfcc(reply)).toMatch(named('web'));
      });

      it('HTTP/2, bytes and health checks go the same way', async () => {
        expect((await ask({ port: outbound, host: 'streams' })).body).toBe('h2 2.0');
        expect(await caller.stat('cluster.streams.ssl.handshake')).toBeGreaterThan(0);
        const said = await new Promise<string>((resolve, reject) => {
          const socket = connectTcp(outboundTcp, '127.0.0.1', () => socket.write('a word'));
          let all = '';
          socket.on('data', (data: Buffer) => {
            all += data.toString();
          });
          socket.on('error', reject);
          socket.on('close', () => resolve(all));
        });
        expect(said).toBe('hello echo a word');
        expect(await caller.stat('cluster.db.ssl.handshake')).toBeGreaterThan(0);
        await eventually(async () => (await caller.stat('cluster.api.health_check.success')) > 0);
        expect(await caller.stat('cluster.api.health_check.failure')).toBe(0);
      });

      it('T6: an instance that shows the certificate of another service is not believed', async () => {
        for (const host of ['rogue', 'other']) {
          expect((await ask({ port: outbound, host })).status).toBe(503);
          expect(await caller.stat(`cluster.${host}.ssl.fail_verify_san`)).toBeGreaterThan(0);
        }
      });

      it('an instance without a sidecar is reached in plaintext where that is permitted', async () => {
        const reply = await ask({ port: outbound, host: 'mixed' });
        expect([reply.status, xfcc(reply)]).toEqual([200, undefined]);
        expect(await caller.stat('cluster.mixed.ssl.handshake')).toBe(0);
      });

      it('T24: strict lets in who shows a certificate of the mesh over TLS 1.3, and nobody else', async () => {
        const port = inbound['api/strict'] ?? 0;
        const leaf = scene.authority.leaf('friend', `URI:${id('friend')}`);
        const said = await sayOverTls({ port, leaf });
        expect(said?.answer).toMatch(named('friend'));
        expect(said?.answer).not.toContain('forged');
        await expect(ask({ port })).rejects.toThrow();
        expect(await sayOverTls({ port })).toBeUndefined();
        expect(await sayOverTls({ port, leaf, version: 'TLSv1.2' })).toBeUndefined();
        const foreign = [
          scene.stranger.leaf('foreign', `URI:${id('friend')}`),
          scene.authority.leaf('elsewhere', 'URI:spiffe://service.local.evil/svc/friend'),
          scene.authority.leaf('nameless', 'DNS:service.local'),
        ];
        for (const one of foreign) expect(await sayOverTls({ port, leaf: one })).toBeUndefined();
      });

      it('T14: no session is there to be resumed', async () => {
        const leaf = scene.authority.leaf('again', `URI:${id('again')}`);
        expect(await sayOverTls({ port: inbound['api/strict'] ?? 0, leaf })).toMatchObject({ sessions: 0 });
      });

      it('T24: permissive takes the three ways apart, and who came in plaintext is nobody', async () => {
        const port = inbound['api/permissive'] ?? 0;
        const leaf = scene.authority.leaf('guest', `URI:${id('guest')}`);
        expect((await sayOverTls({ port, leaf }))?.answer).toContain(`URI=${id('guest')}`);
        // Offering what only the mesh offers is not enough.
        expect(await sayOverTls({ port })).toBeUndefined();
        const plain = await ask({ port, headers: { 'x-forwarded-client-cert': `URI=${id('guest')}` } });
        expect([plain.status, xfcc(plain)]).toEqual([200, undefined]);
        const own = await sayOverTls({ port: inbound['own/permissive'] ?? 0, alpn: ['http/1.1'] });
        expect([own?.shown, own?.answer.includes('own TLS')]).toEqual(['application', true]);
      });
    });
  }
});
