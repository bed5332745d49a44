// Intentions of a real Consul about a service that speaks plain TCP, before real Envoys: who is let in is decided by the name
// in the certificate alone, and whoever is let in no more loses the connection that is open, too.
import { createServer, type Server } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith, eventually, eventuallyPasses, freePorts } from '../support/real-parts.ts';
import { type RunningRegistry, registryRigs } from './registry-rigs.ts';
import { type ShownCertificate, startTrustRig, stolenLeaf, type TrustRig } from './trust-rig.ts';

const greeting = 'hello;';

/** What a server said that speaks first and then repeats what it is told. */
interface Talk {
  /** All that was heard once the word came back, or the connection was closed. */
  say(word: string): Promise<{ readonly heard: string; readonly closed: boolean }>;
  closed(): boolean;
  end(): void;
}

/** As another sidecar would connect; without a certificate: as nobody. */
function talk(port: number, certificate?: ShownCertificate): Talk {
  const socket = connectTls({
    ...{ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['chancery'], ...certificate },
  });
  let heard = '';
  socket.on('error', () => {});
  socket.on('data', (data) => {
    heard += data.toString();
  });
  return {
    async say(word) {
      if (!socket.destroyed) socket.write(word);
      await eventually(() => heard.includes(word) || socket.destroyed);
      return { heard, closed: !heard.includes(word) };
    },
    closed: () => socket.destroyed,
    end: () => socket.destroy(),
  };
}

for (const bin of [undefined, 'oldest'])
  describeWith(['envoy', 'envoy-oldest', 'consul'], `intentions about TCP, ${bin ?? 'newest'} Envoy`, () => {
    const stack = new AsyncDisposableStack();
    let rig: TrustRig;
    let consul: RunningRegistry;
    let server: Server;
    let inbound = 0;
    let leaves: Readonly<Record<'web' | 'other', ShownCertificate>>;

    async function intentions(...Sources: readonly object[]): Promise<void> {
      const answer = await fetch(`${String(consul.config['address'])}/v1/config`, {
        method: 'PUT',
        body: JSON.stringify({ Kind: 'service-intentions', Name: 'db', Sources }),
      });
      expect(answer.status).toBe(200);
    }
    /** Whether a new connection of each is served. */
    async function served(): Promise<readonly boolean[]> {
      const talks = [talk(inbound, leaves.web), talk(inbound, leaves.other)];
      const said = await Promise.all(talks.map((one) => one.say('ping')));
      for (const one of talks) one.end();
      return said.map(({ closed }) => !closed);
    }
    const eventuallyServed = (...wanted: readonly boolean[]): Promise<void> =>
      eventuallyPasses(async () => expect(await served()).toEqual(wanted), { deadlineMs: 20_000 });

    beforeAll(async () => {
      const started = await registryRigs.find(({ name }) => name === 'Consul')?.start();
      if (started === undefined) throw new Error('no Consul rig');
      consul = { ...started, config: { ...started.config, intentions: true } };
      rig = stack.use(await startTrustRig({}, consul));
      server = createServer((socket) => {
        socket.on('error', () => {});
        socket.write(greeting);
        socket.pipe(socket);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      stack.defer(() => void server.close());
      const at = server.address();
      if (at === null || typeof at === 'string') throw new Error('no port');
      const [port = 0, outbound = 0] = await freePorts(2);
      inbound = port;
      rig.product.write(
        'db.yaml',
        'apiVersion: chancery/v1\nkind: Service\nmetadata: {name: db}\nspec: {protocol: tcp}\n',
      );
      await consul.put({ service: 'db', id: 'db-1', port: at.port, proxyPort: inbound });
      for (const service of ['web', 'other']) await consul.put({ service, id: `${service}-1`, port: 1 });
      // Connections that a change leaves behind are closed after that time, not after ten minutes.
      const options = { ...(bin === undefined ? {} : { bin }), args: ['--drain-time-s', '1'] };
      const args = ['--service', 'db', '--outbound', `127.0.0.1:${outbound}`];
      await rig.envoy('db-1', { services: ['db'] }, args, options);
      const leafOf = async (service: string): Promise<ShownCertificate> => {
        const token = await rig.token({ services: [service] });
        await using client = await rig.open({ token, node: { id: 'thief', metadata: { chancery: { service } } } });
        return await stolenLeaf(client);
      };
      leaves = { web: await leafOf('web'), other: await leafOf('other') };
    }, 90_000);
    afterAll(() => stack.disposeAsync());

    it('T4: let one caller in and another out, and take back what is open', { timeout: 90_000 }, async () => {
      await eventuallyServed(false, false);
      await intentions({ Name: 'web', Action: 'allow' });
      await eventuallyServed(true, false);
      // The handshake knows who may call: what the server says first is not told to others.
      for (const certificate of [leaves.other, undefined])
        expect(await talk(inbound, certificate).say('ping')).toEqual({ heard: '', closed: true });

      const open = talk(inbound, leaves.web);
      expect(await open.say('one')).toEqual({ heard: `${greeting}one`, closed: false });
      await intentions({ Name: 'other', Action: 'allow' });
      await eventuallyServed(false, true);
      await eventually(open.closed, { deadlineMs: 20_000 });

      const kept = talk(inbound, leaves.other);
      expect(await kept.say('two')).toEqual({ heard: `${greeting}two`, closed: false });
      await intentions({ Name: 'other', Action: 'deny' }, { Name: '*', Action: 'allow' });
      await eventuallyServed(true, false);
      await eventually(kept.closed, { deadlineMs: 20_000 });
    });
  });
