// What a control plane is of which nobody said anything about trust, and what it is with `insecure`: real clients and Envoys
// against the product, with neither a `trust` section nor a credential. It must not know what credentials are good for.
import { existsSync, statSync } from 'node:fs';
import { connect as dial } from 'node:net';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { identitySecret, rootsSecret } from '../../src/resources/secret-names.ts';
import { typeUrls } from '../../src/resources/type-urls.ts';
import { connect, type GrpcClient } from '../conformance/xds/grpc-client.ts';
import { type Product, startProduct } from '../support/product.ts';
import { describeWith, eventually, eventuallyPasses } from '../support/real-parts.ts';

const ads = { variant: 'delta', aggregated: true } as const;
const web =
  '{apiVersion: chancery/v1, kind: Service, metadata: {name: web}, spec: {endpoints: [{address: 127.0.0.1, port: 1}]}}\n';
const node = { id: 'web-1', cluster: 'web' };
const preface = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from('000000040000000000', 'hex'),
]);

async function started(insecure: boolean): Promise<Product> {
  const product = await startProduct({ config: { xds: { insecure } } });
  product.write('all.yaml', web);
  await eventually(async () => (await product.status()).services.length === 1);
  return product;
}

function plain(product: Product): GrpcClient {
  return connect({ port: product.xdsPort, channel: ads, type: typeUrls.cluster, node });
}

/** All that comes back for these bytes in plaintext. */
function answerTo(port: number, bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    const socket = dial(port, '127.0.0.1', () => void socket.write(bytes));
    socket.on('data', (part) => parts.push(part));
    socket.once('error', reject);
    socket.once('close', () => resolve(Buffer.concat(parts)));
  });
}

describe('nothing said of trust', () => {
  let product: Product;
  beforeAll(async () => {
    product = await started(false);
  }, 60_000);
  afterAll(() => product?.[Symbol.asyncDispose]());

  it('makes an authority that nobody else can read', () => {
    expect(statSync(join(product.state, 'ca')).mode & 0o777).toBe(0o700);
    expect(product.process().logs()).not.toContain('insecure');
  });

  it.each([
    ['HTTP/2', preface],
    ['HTTP/1.1', Buffer.from('GET /v3/discovery:clusters HTTP/1.1\r\nHost: x\r\n\r\n')],
  ])('T24: answers plaintext with not one byte, and says in the log what to do: %s', async (_, bytes) => {
    const before = product.process().logs().length;
    expect((await answerTo(product.xdsPort, bytes)).length).toBe(0);
    const said = (): string => product.process().logs().slice(before);
    await eventuallyPasses(async () => {
      for (const words of ['a TLS handshake failed', 'bootstrap --join', 'serve --insecure'])
        expect(said()).toContain(words);
    });
  });

  it('T24: gives a client in plaintext not one message', async () => {
    await using client = plain(product);
    client.send({ type_url: typeUrls.cluster });
    expect(status[(await client.ended()).code]).toBe('UNAVAILABLE');
    expect(client.waiting()).toBe(0);
  });

  it('prints no bootstrap without a credential, and what it tells to type works', async () => {
    const xds = `127.0.0.1:${product.xdsPort}`;
    const refused = await product.cli('bootstrap', 'web-1', '--service', 'web', '--xds', xds);
    expect([refused.code, refused.stdout]).toEqual([64, '']);
    const [make = '', use = ''] = [...refused.stderr.matchAll(/^ {2}chancery (.+)$/gm)].map(([, line = '']) => line);
    const token = (await product.cli(...make.split(' '))).stdout.trim();
    const [command = ''] = use.replace('TOKEN', token).split(' > ');
    const joined = await product.cli(...command.split(' '));
    expect([joined.code, joined.stdout]).toEqual([0, expect.stringContaining('token.json')]);
  });

  describeWith(['envoy'], 'Envoy', () => {
    it('gets nothing in plaintext, and everything with a credential', { timeout: 60_000 }, async () => {
      const refused = await product.envoy('web-1', ['--service', 'web', '--insecure'], { waitFor: 'admin' });
      await eventually(async () => (await refused.stat('cluster.chancery.upstream_cx_total')) > 1);
      expect(await refused.stat('cluster_manager.cds.update_success')).toBe(0);
      expect((await product.status()).proxies).toEqual([]);
      await refused.stop();
      const token = (await product.cli('token', 'create', '--service', 'web')).stdout.trim();
      await product.envoy('web-1', ['--service', 'web', '--join', token, '--replace']);
      await eventuallyPasses(async () =>
        expect((await product.status()).proxies).toMatchObject([{ node: 'web-1', state: 'synced' }]),
      );
    });
  });
});

describe('insecure', () => {
  let product: Product;
  beforeAll(async () => {
    product = await started(true);
  }, 60_000);
  afterAll(() => product?.[Symbol.asyncDispose]());

  it('has no authority, and says at start what that means', () => {
    expect(existsSync(join(product.state, 'ca'))).toBe(false);
    expect(product.process().logs()).toMatch(/insecure: xDS speaks plaintext, nobody is asked who they are/);
  });

  it('T1: serves clusters in plaintext, and never a secret, under whatever name', async () => {
    await using client = plain(product);
    const names = [identitySecret, rootsSecret, 'edge/default/shop', 'anything', '*'];
    client.send({ type_url: typeUrls.secret, resource_names_subscribe: names });
    client.send({ type_url: typeUrls.cluster });
    // Until what was written after the first answer is there too: whatever was to come has come by then.
    for (const wanted of ['web', 'later'])
      for (let found = false; !found; ) {
        const { type, nonce, resources } = await client.next();
        client.send({ type_url: type, response_nonce: nonce });
        if (type === typeUrls.secret) expect(resources).toEqual([]);
        else found = resources.some(({ name }) => name === wanted);
        if (found && wanted === 'web') product.write('more.yaml', web.replace('name: web', 'name: later'));
      }
    expect(client.waiting()).toBe(0);
  });

  it('gives no token and lets nobody join', async () => {
    const made = await product.cli('token', 'create', '--service', 'web');
    expect([made.code, made.stderr]).toEqual([1, expect.stringContaining('[CH1856]')]);
  });

  describeWith(['envoy'], 'Envoy', () => {
    it('is served on a bootstrap in plaintext', { timeout: 60_000 }, async () => {
      await product.envoy('web-1', ['--service', 'web', '--insecure']);
      await eventuallyPasses(async () =>
        expect((await product.status()).proxies).toMatchObject([{ node: 'web-1', state: 'synced' }]),
      );
    });
  });
});
