// TLS on the xDS port over real sockets: what is let in, what is not, and files that change while it runs.
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { Client, credentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Logger } from '../../../src/util/log.ts';
import type { Sink } from '../../../src/xds/sink.ts';
import { type Authority, createAuthority, describeWithOpenssl, replaceFile } from '../../support/certificates.ts';
import { eventually } from '../../support/eventually.ts';
import { assertNoLeaks } from '../../support/leaks.ts';
import { createStaticViews } from '../../support/static-views.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';
import { runServer as runServerWith } from './running-server.ts';

const check = '/grpc.health.v1.Health/Check';
const asIs = (bytes: Buffer): Buffer => bytes;

function keptLog(): { readonly logger: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  const keep =
    (level: string) =>
    (message: string, fields?: object): void =>
      void lines.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`);
  const logger: Logger = {
    ...{ debug: keep('debug'), info: keep('info'), warn: keep('warn'), error: keep('error') },
    child: () => logger,
  };
  return { logger, lines };
}

for (const transport of ['http2', 'grpc-js'] as const)
  describeWithOpenssl(`TLS on the xDS port, ${transport}`, () => {
    const runServer: typeof runServerWith = (provider, options, deps) =>
      runServerWith(provider, { transport, drainMs: 100, ...options }, deps);
    assertNoLeaks({ deadlineMs: 5_000 });
    let place: TempDir;
    let authority: Authority;
    let other: Authority;
    let files: { readonly cert: string; readonly key: string };

    beforeAll(() => {
      place = createTempDir('xds-tls');
      authority = createAuthority(place.path);
      other = createAuthority(place.path, 'other');
      files = authority.leaf('server', 'IP:127.0.0.1,DNS:localhost,DNS:plane');
    });
    afterAll(() => place.remove());
    const serverFiles = (): { cert: string; key: string } => {
      const dir = createTempDir('xds-tls-live');
      const live = { cert: join(dir.path, 'cert.pem'), key: join(dir.path, 'key.pem') };
      copyFileSync(files.cert, live.cert);
      copyFileSync(files.key, live.key);
      return live;
    };

    /** Resolves with the open connection, rejects with why there is none. */
    function dial(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
      return new Promise((resolve, reject) => {
        const socket = connectTls({
          ...{ host: '127.0.0.1', port, ca: readFileSync(authority.ca), ALPNProtocols: ['h2'] },
          ...options,
        });
        socket.once('error', reject);
        socket.once('close', () => reject(new Error('closed')));
        socket.once('secureConnect', () => resolve(socket));
      });
    }

    async function health(port: number, creds: ReturnType<typeof credentials.createSsl>): Promise<readonly number[]> {
      const client = new Client(`127.0.0.1:${port}`, creds);
      try {
        const answer = await new Promise<Buffer | undefined>((resolve, reject) => {
          const deadline = Date.now() + 5_000;
          client.makeUnaryRequest(check, asIs, asIs, Buffer.alloc(0), { deadline }, (error, value) =>
            error === null ? resolve(value) : reject(error),
          );
        });
        return [...(answer ?? [])];
      } finally {
        client.close();
      }
    }

    it('serves gRPC beyond loopback without --insecure', async () => {
      await using server = await runServer(createStaticViews(), { address: '0.0.0.0', tls: files });
      expect(await health(server.port, credentials.createSsl(readFileSync(authority.ca)))).toEqual([8, 1]);
      await expect(health(server.port, credentials.createSsl(readFileSync(other.ca)))).rejects.toThrow();
      await expect(health(server.port, credentials.createInsecure())).rejects.toThrow();
    });

    it('serves it from worker threads', async () => {
      const tls = { ...files, reloadMs: 20 };
      await using server = await runServer(createStaticViews(), { address: '0.0.0.0', tls, workers: 2 });
      for (let count = 0; count < 4; count++)
        expect(await health(server.port, credentials.createSsl(readFileSync(authority.ca)))).toEqual([8, 1]);
    });

    it('speaks TLS 1.3 with h2, and 1.2 only if told', async () => {
      await using server = await runServer(createStaticViews(), { tls: files });
      const socket = await dial(server.port);
      expect([socket.getProtocol(), socket.alpnProtocol]).toEqual(['TLSv1.3', 'h2']);
      socket.destroy();
      await expect(dial(server.port, { maxVersion: 'TLSv1.2' })).rejects.toThrow();
      await expect(dial(server.port, { ALPNProtocols: ['spdy/3'] })).rejects.toThrow();
      await using old = await runServer(createStaticViews(), { tls: { ...files, minVersion: '1.2' } });
      const older = await dial(old.port, { maxVersion: 'TLSv1.2' });
      expect(older.getProtocol()).toBe('TLSv1.2');
      older.destroy();
    });

    it.each(['TLSv1.3', 'TLSv1.2'] as const)('resumes nothing, %s', async (version) => {
      await using server = await runServer(createStaticViews(), { tls: { ...files, minVersion: '1.2' } });
      const only = { minVersion: version, maxVersion: version };
      const first = await dial(server.port, only);
      let session: Buffer | undefined;
      first.on('session', (told: Buffer) => {
        session = told;
      });
      // HTTP/2 SETTINGS from the server come after whatever tickets it would send.
      await new Promise((resolve) => first.once('data', resolve));
      session ??= first.getSession();
      first.destroy();
      const second = await dial(server.port, { ...only, ...(session === undefined ? {} : { session }) });
      expect(second.isSessionReused()).toBe(false);
      second.destroy();
    });

    it('asks for a client certificate where an authority is named, and lets in none but its own', async () => {
      const views = createStaticViews();
      const seen: (Uint8Array | undefined)[] = [];
      const probe = {
        // A service of a class that anybody may ask.
        path: '/grpc.health.v1.Health/Peer',
        open: (sink: Sink) => {
          seen.push(sink.peer.certificate());
          sink.end('ok', '');
          return { incoming() {}, halfClosed() {}, closed() {} };
        },
      };
      const tls = { ...files, clientCa: authority.ca };
      await using server = await runServer(views, { tls }, { methods: [probe] });
      const ca = readFileSync(authority.ca);
      const mine = authority.leaf('client', 'DNS:client');
      const stranger = other.leaf('stranger', 'DNS:client');
      const pair = ({ cert, key }: { cert: string; key: string }) =>
        credentials.createSsl(ca, readFileSync(key), readFileSync(cert));
      expect(await health(server.port, pair(mine))).toEqual([8, 1]);
      await expect(health(server.port, credentials.createSsl(ca))).rejects.toThrow();
      await expect(health(server.port, pair(stranger))).rejects.toThrow();

      const client = new Client(`127.0.0.1:${server.port}`, pair(mine));
      const call = client.makeBidiStreamRequest(probe.path, asIs, asIs);
      call.on('error', () => {});
      call.resume();
      await new Promise((resolve) => call.once('status', resolve));
      client.close();
      const [raw] = seen;
      expect(Buffer.from(raw ?? []).toString('base64')).toBe(
        readFileSync(mine.cert, 'utf8')
          .replace(/-----[A-Z ]+-----/g, '')
          .replace(/\s/g, ''),
      );
    });

    it('takes a new certificate, by rename or by writing, and keeps the last good one', async () => {
      const live = serverFiles();
      const { logger, lines } = keptLog();
      await using server = await runServer(createStaticViews(), { tls: { ...live, reloadMs: 20 } }, { log: logger });
      const nameOf = async (): Promise<string> => {
        const socket = await dial(server.port);
        const { subject } = socket.getPeerCertificate();
        socket.destroy();
        return String(subject.CN);
      };
      expect(await nameOf()).toBe('server');
      const open = connectHttp2(`https://127.0.0.1:${server.port}`, { ca: readFileSync(authority.ca) });
      await new Promise((resolve) => open.once('connect', resolve));

      const second = authority.leaf('second', 'IP:127.0.0.1');
      replaceFile(second.key, live.key);
      replaceFile(second.cert, live.cert);
      await eventually(async () => (await nameOf()) === 'second');

      writeFileSync(live.cert, 'not a certificate');
      await eventually(() => lines.some((line) => line.startsWith('error') && line.includes(live.cert)));
      expect(lines.filter((line) => line.startsWith('error')).join()).toContain('holds no certificate in PEM');
      expect(await nameOf()).toBe('second');

      const third = authority.leaf('third', 'IP:127.0.0.1');
      writeFileSync(live.cert, readFileSync(third.cert));
      writeFileSync(live.key, readFileSync(third.key));
      await eventually(async () => (await nameOf()) === 'third');
      expect(lines.filter((line) => line.startsWith('error'))).toHaveLength(1);
      // A connection that is open goes on.
      expect(open.closed || open.destroyed).toBe(false);
      open.destroy();
    });

    it.each([
      ['a file that is not there', { cert: '/nowhere.pem' }, '/nowhere.pem cannot be read'],
      ['a key of another certificate', { key: 'other.key' }, 'other.key is not the key of the certificate in'],
      ['a key that is none', { key: 'server.pem' }, 'server.pem holds no usable private key in PEM'],
    ])('does not start with %s', async (_, wrong, message) => {
      const named = Object.fromEntries(
        Object.entries(wrong).map(([key, file]) => [key, file.startsWith('/') ? file : join(place.path, file)]),
      );
      await expect(runServer(createStaticViews(), { tls: { ...files, ...named } })).rejects.toMatchObject({
        code: 'CH1503',
        message: expect.stringContaining(message),
      });
    });

    it('hands HTTP/1.1 over TLS to REST, with ALPN and without', async () => {
      await using server = await runServer(createStaticViews(), { tls: files }, { json: async () => '{}' });
      for (const alpn of [{ ALPNProtocols: ['http/1.1'] }, { ALPNProtocols: [] }]) {
        const socket = await dial(server.port, alpn);
        let text = '';
        socket.on('data', (chunk: Buffer) => {
          text += chunk.toString();
        });
        socket.write('GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
        await eventually(() => text.includes('there is no /x'));
        socket.destroy();
      }
    });

    it('drops who does not finish a handshake in time', async () => {
      await using server = await runServer(createStaticViews(), { tls: files, handshakeMs: 50 });
      const socket = connectTcp(server.port, '127.0.0.1');
      socket.on('error', () => {});
      socket.resume();
      await new Promise((resolve) => socket.once('close', resolve));
    });
  });
