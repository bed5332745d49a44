// Mutual TLS from a join token to what the callee sees: an edge and two sidecars, each with a credential of its own, over
// real Envoys. Plaintext, foreign certificates and wrong names get nowhere, and a new authority process costs no request.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startBackend } from '../support/backends.ts';
import { createAuthority } from '../support/certificates.ts';
import { ask, startLoad } from '../support/load.ts';
import { type Product, startProduct } from '../support/product.ts';
import { describeWith, eventually, eventuallyPasses, freePorts, type RunningEnvoy } from '../support/real-parts.ts';
import { createTempDir } from '../support/temp-dir.ts';
import { type RunningRegistry, registryRigs } from './registry-rigs.ts';

const files = registryRigs.find(({ name }) => name === 'files');
const xfcc = 'x-forwarded-client-cert';

/** One-time, over the API as `chancery token create` makes it. */
async function joinToken(product: Product, owner: { services?: string[]; gateways?: string[] }): Promise<string> {
  const made = await fetch(`http://127.0.0.1:${product.httpPort}/api/v1/trust/join-tokens`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${readFileSync(join(product.state, 'token'), 'utf8').trim()}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify(owner),
  });
  const { token } = (await made.json()) as { token: string };
  expect(made.status).toBe(201);
  return token;
}

for (const bin of [undefined, 'oldest'])
  describeWith(['envoy'], `mutual TLS, ${bin ?? 'newest'} Envoy`, () => {
    const dir = createTempDir('mutual-tls');
    const stack = new AsyncDisposableStack();
    let product: Product;
    let registry: RunningRegistry;
    let api: RunningEnvoy;
    let edge: RunningEnvoy;
    let outbound = 0;
    let inbound = 0;
    let webInbound = 0;
    let edgePort = 0;

    async function envoy(
      node: string,
      owner: { services?: string[]; gateways?: string[] },
      args: readonly string[],
    ): Promise<RunningEnvoy> {
      const token = await joinToken(product, owner);
      const credentials = ['--join', token, '--credentials', join(dir.path, node)];
      return product.envoy(node, [...args, ...credentials], bin === undefined ? {} : { bin });
    }

    const through = async (port: number, host: string): Promise<{ name: string; caller: string }> => {
      const reply = await ask({ port, host, path: '/' });
      if (reply.status !== 200) throw new Error(`status ${reply.status}: ${reply.body}`);
      const { name, headers } = JSON.parse(reply.body) as { name: string; headers: Record<string, string> };
      return { name, caller: headers[xfcc] ?? '' };
    };

    beforeAll(async () => {
      if (files === undefined) throw new Error('no files rig');
      registry = stack.use(await files.start());
      product = stack.use(await startProduct({ registries: [registry.config], config: { trust: {} } }));
      let apiOutbound = 0;
      [outbound = 0, inbound = 0, edgePort = 0, apiOutbound = 0, webInbound = 0] = await freePorts(5);
      product.write(
        'edge.yaml',
        `apiVersion: chancery/v1\nkind: Gateway\nmetadata: {name: edge}\nspec:\n  listeners: [{name: http, port: ${edgePort}, protocol: http}]\n`,
      );
      const backends = [stack.use(await startBackend('api-1')), stack.use(await startBackend('web-1'))];
      const [apiPort = 0, webPort = 0] = backends.map(({ port }) => port);
      await registry.put({ service: 'api', id: 'api-1', port: apiPort, proxyPort: inbound });
      await registry.put({ service: 'web', id: 'web-1', port: webPort, proxyPort: webInbound });
      api = await envoy('api-1', { services: ['api'] }, ['--service', 'api', '--outbound', `127.0.0.1:${apiOutbound}`]);
      await envoy('web-1', { services: ['web'] }, ['--service', 'web', '--outbound', `127.0.0.1:${outbound}`]);
      edge = await envoy('edge-1', { gateways: ['edge'] }, ['--gateway', 'edge']);
    }, 90_000);
    afterAll(async () => {
      await stack.disposeAsync();
      dir.remove();
    });

    it('carries calls, and shows the callee who calls', async () => {
      await eventuallyPasses(async () => {
        const { name, caller } = await through(outbound, 'api');
        expect(name).toBe('api-1');
        expect(caller).toContain('URI=spiffe://service.local/svc/web');
      });
      await eventuallyPasses(async () => {
        const { name, caller } = await through(edgePort, 'api');
        expect(name).toBe('api-1');
        expect(caller).toContain('URI=spiffe://service.local/gateway/edge');
      });
    });

    it('does not believe what a caller says of its certificate', async () => {
      const forged = 'By=x;URI=spiffe://service.local/svc/admin';
      for (const port of [outbound, edgePort]) {
        const reply = await ask({ port, host: 'api', path: '/', headers: { [xfcc]: forged } });
        expect(reply.status).toBe(200);
        expect(reply.body).not.toContain('svc/admin');
      }
    });

    it('T24: takes no plaintext where a sidecar stands', async () => {
      await expect(ask({ port: inbound, host: 'api', path: '/' })).rejects.toThrow();
    });

    it('takes no certificate of another authority, and nobody without one', async () => {
      const foreign = createAuthority(dir.path, 'foreign').leaf('intruder', 'URI:spiffe://service.local/svc/web');
      const identity = { cert: readFileSync(foreign.cert), key: readFileSync(foreign.key) };
      const handshake = (options: object): Promise<string> =>
        new Promise((resolve) => {
          const socket = connectTls({ port: inbound, host: '127.0.0.1', rejectUnauthorized: false, ...options }, () =>
            socket.write('GET / HTTP/1.1\r\nhost: api\r\n\r\n'),
          );
          socket.once('data', (data) => resolve(`answered ${data.toString().slice(0, 12)}`));
          socket.once('error', () => resolve('refused'));
          socket.once('close', () => resolve('refused'));
          socket.setTimeout(3000, () => socket.destroy());
        });
      for (const options of [{}, identity])
        for (const ALPNProtocols of [['chancery', 'h2'], ['chancery', 'http/1.1'], ['http/1.1'], undefined])
          expect(await handshake({ ...options, ...(ALPNProtocols === undefined ? {} : { ALPNProtocols }) })).toBe(
            'refused',
          );
    });

    it('T6: does not take another service for the one that is called', async () => {
      // Whoever may register can name web's sidecar as an instance of bank.
      const { port } = stack.use(await startBackend('rogue'));
      await registry.put({ service: 'bank', id: 'bank-1', port, proxyPort: webInbound });
      await eventually(async () => (await product.status()).services.some(({ id }) => id === 'bank'));
      await eventuallyPasses(async () => {
        const reply = await ask({ port: edgePort, host: 'bank', path: '/' });
        expect(reply.status).toBe(503);
        expect(await edge.stat('cluster.bank.ssl.fail_verify_san')).toBeGreaterThan(0);
      });
    }, 30_000);

    it('has a certificate for each proxy, of that proxy alone', async () => {
      const answer = await product.api('GET', '/api/v1/trust/certificates');
      const { certificates } = (await answer.json()) as { certificates: { node: string; spiffeId: string }[] };
      expect(certificates.map(({ node, spiffeId }) => `${node} ${spiffeId}`).sort()).toEqual([
        'api-1 spiffe://service.local/svc/api',
        'edge-1 spiffe://service.local/gateway/edge',
        'web-1 spiffe://service.local/svc/web',
      ]);
    });

    it('T1, T21: shows no key in any dump, log or answer', async () => {
      const answers = await Promise.all(
        ['/api/v1/status', '/api/v1/trust/certificates', '/api/v1/proxies/api-1/resources', '/metrics'].map(
          async (path) => (await product.api('GET', path)).text(),
        ),
      );
      expect([...answers, product.process().logs()].join('\n')).not.toMatch(/PRIVATE KEY|LS0tLS1CRUdJTi/);
      expect(await api.adminGet('/config_dump')).not.toContain('PRIVATE KEY');
    });

    it('loses no request when the control plane dies and comes back with a new intermediate', async () => {
      const load = startLoad({ port: outbound, host: 'api', path: '/', perSecond: 100, maxSeconds: 60 });
      await product.kill();
      await new Promise((resolve) => setTimeout(resolve, 500));
      await product.start();
      await eventually(async () => {
        const { proxies } = await product.status();
        return proxies.filter(({ state }) => state === 'synced').length === 3;
      });
      await new Promise((resolve) => setTimeout(resolve, 1000));
      const result = await load.stop();
      expect(result.sent).toBeGreaterThan(100);
      expect(result.failures).toEqual({});
    }, 60_000);
  });
