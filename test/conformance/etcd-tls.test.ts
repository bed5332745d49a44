// etcd behind TLS that asks for a client certificate: the files named in the configuration are what opens it.
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createEtcdRegistry, type EtcdRegistryOptions } from '../../src/sources/etcd/etcd-registry.ts';
import { assertNoLeaks } from '../support/leaks.ts';
import { describeWith, eventually, type RunningEtcd, startEtcd } from '../support/real-parts.ts';
import { createTempDir, type TempDir } from '../support/temp-dir.ts';
import { watch } from './source-registry-suite.ts';
import { rigDeps } from './source-rig.ts';

/** An authority, and a server and a client certificate of it, as PEM files in `directory`. */
function makeCertificates(directory: string): void {
  const openssl = (...args: readonly string[]): void => {
    execFileSync('openssl', [...args], { cwd: directory, stdio: 'pipe' });
  };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=test authority', '-days', '2');
  writeFileSync(join(directory, 'san.cnf'), 'subjectAltName=IP:127.0.0.1\n');
  for (const name of ['server', 'client']) {
    openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'san.cnf', '-days', '2'];
    openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.pem`, ...signed);
  }
}

const hasOpenssl = spawnSync('openssl', ['version'], { stdio: 'ignore' }).status === 0;
const withOpenssl: typeof describeWith = (needed, name, fn) =>
  hasOpenssl
    ? describeWith(needed, name, fn)
    : describe.skip(`${name} [skipped: no openssl command to make certificates]`, fn);

withOpenssl(['etcd'], 'etcd behind TLS', () => {
  // grpc-js gives up a connection that is being made after 20 s.
  assertNoLeaks({ deadlineMs: 25_000 });
  let etcd: RunningEtcd;
  let place: TempDir;
  const ends: (() => Promise<unknown>)[] = [];

  beforeEach(async () => {
    etcd = await startEtcd();
    place = createTempDir('etcd-tls');
    makeCertificates(place.path);
  });
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
    await etcd.stop();
    place.remove();
  });
  const file = (name: string): string => join(place.path, name);

  it('is read with the client certificate, and not without', async () => {
    await etcd.put('/services/web/instances/a', '{"address": "10.0.0.1"}');
    const server = createServer(
      {
        key: readFileSync(file('server.key')),
        cert: readFileSync(file('server.pem')),
        ca: readFileSync(file('ca.pem')),
        requestCert: true,
        ALPNProtocols: ['h2'],
      },
      (client) => {
        const upstream = connect(etcd.port, '127.0.0.1');
        client.pipe(upstream).pipe(client);
        for (const socket of [client, upstream])
          for (const event of ['error', 'close'])
            socket.on(event, () => {
              client.destroy();
              upstream.destroy();
            });
      },
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const sockets = new Set<Socket>();
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    });
    ends.push(() => {
      // A client that was closed in the middle of a handshake waits for its answer.
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    });
    const options: EtcdRegistryOptions = {
      name: 'etcd',
      endpoints: [`https://127.0.0.1:${(server.address() as AddressInfo).port}`],
      prefix: '/services/',
      layout: 'chancery',
      caFile: file('ca.pem'),
    };
    const stranger = watch(createEtcdRegistry(rigDeps(), options));
    ends.push(stranger.end);
    await eventually(() => stranger.last()?.degraded?.kind === 'unreachable');
    const known = watch(
      createEtcdRegistry(rigDeps(), { ...options, certFile: file('client.pem'), keyFile: file('client.key') }),
    );
    ends.push(known.end);
    await eventually(() => known.last()?.services.get('web')?.instances.length === 1);
    await etcd.put('/services/web/instances/b', '{"address": "10.0.0.2"}');
    await eventually(() => known.last()?.services.get('web')?.instances.length === 2);
    expect(stranger.all.some(({ complete }) => complete)).toBe(false);
    const missing = watch(createEtcdRegistry(rigDeps(), { ...options, caFile: file('none.pem') }));
    ends.push(missing.end);
    await eventually(() => missing.last()?.degraded?.reason.includes('none.pem'));
  }, 60_000);
});
