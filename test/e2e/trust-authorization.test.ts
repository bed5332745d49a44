// Who may call whom, tried by those who may not: stolen certificates straight to the sidecar's port, paths in disguise,
// plaintext where it is allowed. A change holds for the next request of a connection that is open, and closes none.
import { generateKeyPairSync } from 'node:crypto';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startBackend } from '../support/backends.ts';
import { ask, startLoad } from '../support/load.ts';
import { describeWith, eventually, eventuallyPasses, freePorts, type RunningEnvoy } from '../support/real-parts.ts';
import { type Owner, type ShownCertificate, startTrustRig, stolenLeaf, type TrustRig } from './trust-rig.ts';

/** One connection, request by request; what was answered, or `closed`. */
interface Line {
  ask(path?: string, more?: string): Promise<{ readonly status: number; readonly body: string } | 'closed'>;
  close(): void;
}

function line(socket: Socket): Line {
  socket.on('error', () => {});
  const closed = new Promise<'closed'>((resolve) => socket.once('close', () => resolve('closed')));
  return {
    async ask(path = '/', more = '') {
      if (socket.destroyed) return 'closed';
      let text = '';
      const answered = new Promise<{ status: number; body: string }>((resolve) => {
        socket.on('data', function take(data: Buffer) {
          text += data.toString('latin1');
          const [head = ''] = text.split('\r\n\r\n', 1);
          // A backend's answers come in chunks, those of the proxy with their length.
          const rest = text.slice(head.length + 4);
          const length = /content-length: (\d+)/i.exec(head)?.[1];
          if (length === undefined ? !text.endsWith('\r\n0\r\n\r\n') : rest.length < Number(length)) return;
          socket.off('data', take);
          resolve({ status: Number(head.split(' ')[1]), body: rest });
        });
      });
      socket.write(`GET ${path} HTTP/1.1\r\nhost: api\r\n${more}\r\n`);
      return Promise.race([answered, closed]);
    },
    close: () => socket.destroy(),
  };
}

const plain = (port: number): Line => line(connectTcp({ port, host: '127.0.0.1' }));
/** As another sidecar would connect; without a certificate: as nobody. */
const secure = (port: number, certificate?: ShownCertificate, http = true): Line =>
  line(
    connectTls({
      ...{ port, host: '127.0.0.1', rejectUnauthorized: false, ...certificate },
      ALPNProtocols: http ? ['chancery', 'http/1.1'] : ['chancery'],
    }),
  );

for (const bin of [undefined, 'oldest'])
  describeWith(['envoy', 'envoy-oldest'], `authorization, ${bin ?? 'newest'} Envoy`, () => {
    const stack = new AsyncDisposableStack();
    const options = bin === undefined ? {} : { bin };
    let rig: TrustRig;
    let api: RunningEnvoy;
    let [outbound, inbound, dbInbound, edgePort] = [0, 0, 0, 0];
    let leaves: Readonly<Record<'web' | 'other' | 'edge', ShownCertificate>>;

    const object = (kind: string, name: string, spec: object): string =>
      `${JSON.stringify({ apiVersion: 'chancery/v1', kind, metadata: { name }, spec })}\n`;
    const rules = (name: string, spec: object): void =>
      rig.product.write(`${name}.yaml`, object('Authorization', name, spec));
    const mesh = (mtls: string): void => rig.product.write('mesh.yaml', object('Mesh', 'mesh', { mtls }));
    const statusOf = async (port: number): Promise<number> => (await ask({ port, host: 'api' })).status;
    /** The sum of the counters whose names fit. */
    const counted = async (pattern: string): Promise<number> => {
      const text = await api.adminGet(`/stats?filter=${encodeURIComponent(pattern)}`);
      return [...text.matchAll(/: (\d+)$/gm)].reduce((sum, [, value]) => sum + Number(value), 0);
    };

    async function leafOf(owner: Owner, claims: object): Promise<ShownCertificate> {
      const token = await rig.token(owner);
      await using client = await rig.open({ token, node: { id: 'thief', metadata: { chancery: claims } } });
      return await stolenLeaf(client);
    }

    beforeAll(async () => {
      rig = stack.use(await startTrustRig());
      [outbound = 0, inbound = 0, dbInbound = 0, edgePort = 0] = await freePorts(4);
      const [apiOutbound = 0, dbOutbound = 0] = await freePorts(2);
      mesh('strict');
      rig.product.write(
        'edge.yaml',
        object('Gateway', 'edge', { listeners: [{ name: 'http', port: edgePort, protocol: 'http' }] }),
      );
      rig.product.write('db.yaml', object('Service', 'db', { protocol: 'tcp' }));
      const [first, second, third] = [
        await startBackend('api-1'),
        await startBackend('db-1'),
        await startBackend('web-1'),
      ];
      for (const backend of [first, second, third]) stack.use(backend);
      await rig.registry.put({ service: 'api', id: 'api-1', port: first.port, proxyPort: inbound });
      await rig.registry.put({ service: 'db', id: 'db-1', port: second.port, proxyPort: dbInbound });
      await rig.registry.put({ service: 'web', id: 'web-1', port: third.port });
      const sidecar = (node: string, service: string, port: number): Promise<RunningEnvoy> =>
        rig.envoy(node, { services: [service] }, ['--service', service, '--outbound', `127.0.0.1:${port}`], options);
      api = await sidecar('api-1', 'api', apiOutbound);
      await sidecar('db-1', 'db', dbOutbound);
      await sidecar('web-1', 'web', outbound);
      await rig.envoy('edge-1', { gateways: ['edge'] }, ['--gateway', 'edge'], options);
      leaves = {
        web: await leafOf({ services: ['web'] }, { service: 'web' }),
        other: await leafOf({ services: ['other'] }, { service: 'other' }),
        edge: await leafOf({ gateways: ['edge'] }, { role: 'gateway', gateway: 'edge' }),
      };
      await eventuallyPasses(async () => {
        expect([await statusOf(outbound), await statusOf(edgePort)]).toEqual([200, 200]);
      });
    }, 90_000);
    afterAll(() => stack.disposeAsync());

    it('lets in whom a rule allows, and nobody else, also on connections that are open', {
      timeout: 60_000,
    }, async () => {
      const warm = { web: secure(inbound, leaves.web), other: secure(inbound, leaves.other) };
      for (const one of Object.values(warm)) expect(await one.ask()).toMatchObject({ status: 200 });
      const modified = await api.stat('listener_manager.listener_modified');
      const created = await api.stat('listener_manager.listener_create_success');
      const load = startLoad({ port: outbound, host: 'api', path: '/open', perSecond: 50, maxSeconds: 50 });

      rules('only-web', { service: 'api', allow: [{ from: ['web'] }] });
      await eventuallyPasses(async () => expect(await statusOf(edgePort)).toBe(403));
      expect(await statusOf(outbound)).toBe(200);
      expect(await warm.other.ask()).toMatchObject({ status: 403 });
      expect(await warm.web.ask()).toMatchObject({ status: 200 });
      // Whatever is said of the certificate, and whoever else is tried.
      const forged = 'x-forwarded-client-cert: By=x;URI=spiffe://service.local/svc/web\r\n';
      expect(await warm.other.ask('/', forged)).toMatchObject({ status: 403 });
      for (const leaf of [leaves.other, leaves.edge])
        expect(await secure(inbound, leaf).ask('/', forged)).toMatchObject({ status: 403 });
      expect(await secure(inbound).ask()).toBe('closed');
      expect(await plain(inbound).ask()).toBe('closed');

      rules('no-admin', {
        service: 'api',
        deny: [{ to: [{ paths: [{ prefix: '/admin' }] }] }, { to: [{ methods: ['DELETE'] }] }],
      });
      await eventuallyPasses(async () => expect(await warm.web.ask('/admin')).toMatchObject({ status: 403 }));
      for (const path of [
        ...['/admin/', '/admin?x', '//admin', '/./admin', '/x/../admin', '/%61dmin', '/%61%64min/x', '/x/%2e%2e/admin'],
        ...[
          '/admin%2fx',
          '/admin;x',
          '/admin%3Bx',
          '/x;y/..;/admin',
          '/x%2f..%2fadmin',
          '/x/..%2Fadmin',
          '/x%5c..%5cadmin',
          '/x\\..\\admin',
          '/admin\\x',
          'http://api/admin',
        ],
      ]) {
        const answer = await secure(inbound, leaves.web).ask(path);
        expect([path, answer === 'closed' || answer.status === 403 || answer.status === 400]).toEqual([path, true]);
      }
      expect(await warm.web.ask('/administrator')).toMatchObject({ status: 200 });
      expect((await ask({ port: outbound, host: 'api', method: 'DELETE' })).status).toBe(403);

      rig.product.remove('only-web.yaml');
      await eventuallyPasses(async () => expect(await warm.other.ask()).toMatchObject({ status: 200 }));
      rig.product.remove('no-admin.yaml');
      await eventuallyPasses(async () => expect(await warm.web.ask('/admin')).toMatchObject({ status: 200 }));
      // What is allowed by prefix is no way to what is not.
      rules('only-web', { service: 'api', allow: [{ from: ['web'], to: [{ paths: [{ prefix: '/open' }] }] }] });
      await eventuallyPasses(async () => expect(await warm.web.ask('/other')).toMatchObject({ status: 403 }));
      for (const path of ['/open', '/open/x', '/open/x;y', '/open/x.html?a=..;'])
        expect([path, await warm.web.ask(path)]).toMatchObject([path, { status: 200 }]);
      for (const path of [
        '/open/../x',
        '/open/..;/x',
        '/open/..;a/x',
        '/open/..%3b/x',
        '/open/%2e%2e;/x',
        '/open%2f..%2fx',
      ]) {
        const answer = await secure(inbound, leaves.web).ask(path);
        expect([path, answer === 'closed' || answer.status === 403 || answer.status === 400]).toEqual([path, true]);
      }
      rig.product.remove('only-web.yaml');
      await eventuallyPasses(async () => expect(await warm.other.ask()).toMatchObject({ status: 200 }));
      expect(await api.stat('listener_manager.listener_modified')).toBe(modified);
      expect(await api.stat('listener_manager.listener_create_success')).toBe(created);
      expect((await load.stop()).failures).toEqual({});
      for (const one of Object.values(warm)) one.close();
    });

    it('counts in shadow whom it would refuse, and refuses nobody', { timeout: 60_000 }, async () => {
      rules('try', { service: 'api', mode: 'shadow', allow: [{ from: ['web'] }] });
      await eventuallyPasses(async () => {
        expect(await statusOf(edgePort)).toBe(200);
        expect(await counted('rbac.*shadow_denied$')).toBeGreaterThan(0);
      });
      expect(await counted('rbac.*gateway/edge.*shadow_denied$')).toBeGreaterThan(0);
      expect(await counted('rbac.*service/web.*shadow_denied$')).toBe(0);
      const before = await counted('rbac\\.shadow_allowed$');
      expect(await statusOf(outbound)).toBe(200);
      await eventually(async () => (await counted('rbac\\.shadow_allowed$')) > before);
      expect(await secure(inbound, leaves.other).ask()).toMatchObject({ status: 200 });
      rig.product.remove('try.yaml');
    });

    it('T24: takes a plaintext caller for nobody, where plaintext is allowed', { timeout: 60_000 }, async () => {
      mesh('permissive');
      await eventuallyPasses(async () => expect(await plain(inbound).ask()).toMatchObject({ status: 200 }));
      const forged = 'x-forwarded-client-cert: By=x;URI=spiffe://service.local/svc/web\r\n';
      for (const from of [['web'], ['*'], ['gateway/edge', 'web']]) {
        rules('named', { service: 'api', allow: [{ from }] });
        await eventuallyPasses(async () =>
          expect(await plain(inbound).ask('/', forged)).toMatchObject({ status: 403 }),
        );
        // TLS without a certificate, as an application of its own speaks it, is nobody too.
        for (const one of [
          secure(inbound),
          line(connectTls({ port: inbound, host: '127.0.0.1', rejectUnauthorized: false })),
        ])
          expect(await one.ask('/', forged)).toBe('closed');
        expect(await statusOf(outbound)).toBe(200);
      }
      rig.product.remove('named.yaml');
      await eventuallyPasses(async () => expect(await plain(inbound).ask()).toMatchObject({ status: 200 }));
      mesh('strict');
      await eventuallyPasses(async () => expect(await plain(inbound).ask()).toBe('closed'));
    });

    it('asks for tokens, and for a name beside them where a rule does', { timeout: 60_000 }, async () => {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const inline = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'one' }] });
      const jwt = [{ issuer: 'idp', audiences: ['api'], jwks: { inline } }];
      const token = new SignJWT({ iss: 'idp', aud: 'api', exp: Math.floor(Date.now() / 1000) + 600 });
      const signed = await token.setProtectedHeader({ alg: 'ES256', kid: 'one' }).sign(privateKey);
      const bearer = `authorization: Bearer ${signed}\r\n`;
      mesh('permissive');
      rules('token', { service: 'api', jwt, allow: [{ from: ['other'], jwt: {} }] });
      await eventuallyPasses(async () => {
        expect(await secure(inbound, leaves.other).ask('/', bearer)).toMatchObject({ status: 200 });
        expect(await plain(inbound).ask('/', bearer)).toMatchObject({ status: 403 });
      });
      expect(await secure(inbound, leaves.other).ask()).toMatchObject({ status: 403 });
      expect(await secure(inbound, leaves.edge).ask('/', bearer)).toMatchObject({ status: 403 });
      rules('token', { service: 'api', jwt, allow: [{ jwt: {} }] });
      await eventuallyPasses(async () => expect(await plain(inbound).ask('/', bearer)).toMatchObject({ status: 200 }));
      expect(await plain(inbound).ask()).toMatchObject({ status: 403 });
      rig.product.remove('token.yaml');
      mesh('strict');
      await eventuallyPasses(async () => expect(await plain(inbound).ask()).toBe('closed'));
    });

    it('asks of connections by the name in the certificate', { timeout: 60_000 }, async () => {
      const open = (certificate?: ShownCertificate): Line => secure(dbInbound, certificate, false);
      await eventuallyPasses(async () => expect(await open(leaves.other).ask()).toMatchObject({ status: 200 }));
      rules('db-rules', { service: 'db', allow: [{ from: ['web'] }] });
      await eventuallyPasses(async () => expect(await open(leaves.other).ask()).toBe('closed'));
      expect(await open(leaves.edge).ask()).toBe('closed');
      expect(await open().ask()).toBe('closed');
      expect(await plain(dbInbound).ask()).toBe('closed');
      expect(await open(leaves.web).ask()).toMatchObject({ status: 200 });
      rules('db-rules', { service: 'db', deny: [{ from: ['web'] }] });
      await eventuallyPasses(async () => expect(await open(leaves.web).ask()).toBe('closed'));
      expect(await open(leaves.edge).ask()).toMatchObject({ status: 200 });
      rig.product.remove('db-rules.yaml');
    });
  });
