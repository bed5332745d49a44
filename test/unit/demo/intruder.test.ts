// Who calls a sidecar past all proxies is answered, refused, or finds nobody: over real sockets and TLS.
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Certificate } from '../../../src/demo/credentials.ts';
import { foreignCertificate } from '../../../src/demo/foreign.ts';
import { knock } from '../../../src/demo/intruder.ts';
import { createSystemClock } from '../../../src/util/system-clock.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';

const clock = createSystemClock();
const spiffeId = 'spiffe://service.local/svc/web';

describe('knock', () => {
  let dir: TempDir;
  const servers: Server[] = [];
  beforeEach(() => {
    dir = createTempDir('intruder');
  });
  afterEach(async () => {
    for (const server of servers.splice(0)) await new Promise((done) => server.close(done));
    dir.remove();
  });

  async function listening(server: Server): Promise<number> {
    servers.push(server);
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }
  const certificate = (folder: string): Promise<Certificate> =>
    foreignCertificate(
      { clock, random: Math.random },
      { trustDomain: 'service.local', spiffeId, folder: `${dir.path}/${folder}` },
    );
  const end = (socket: Socket): void => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'));
  };

  it('tells an answer, a refusal and an empty port apart', async () => {
    const answers = await listening(createServer(end));
    const refuses = await listening(createServer((socket) => socket.destroy()));
    const gone = createServer();
    const empty = await listening(gone);
    await new Promise((done) => gone.close(done));
    servers.pop();
    const outcomes = await Promise.all([answers, refuses, empty].map((port) => knock(clock, port, 'plaintext')));
    expect(outcomes).toEqual(['answered', 'refused', 'nobody listens']);
  });

  it('shows the certificate it has, which only its own authority believes', async () => {
    const [one, other] = await Promise.all([certificate('one'), certificate('other')]);
    const files = readdirSync(join(dir.path, 'one'), { recursive: true, encoding: 'utf8' });
    const root = files.find((file) => file.endsWith('certificate.pem')) ?? '';
    const ca = readFileSync(join(dir.path, 'one', root));
    const options = { cert: one.chain, key: one.key, ca, requestCert: true, ALPNProtocols: ['http/1.1'] };
    const port = await listening(createTlsServer(options, end));
    expect(await knock(clock, port, one)).toBe('answered');
    expect(await knock(clock, port, other)).toBe('refused');
    expect(await knock(clock, port, 'nobody')).toBe('refused');
    expect(await knock(clock, port, 'plaintext')).toBe('refused');
  });
});
