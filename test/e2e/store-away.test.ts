// A store that is away when the control plane starts: it waits, says for what, and goes on once the store is there. A store
// that answers, but not as it should, ends it.
import { randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type Product, type ProductOptions, startProduct } from '../support/product.ts';
import { describeWith, eventually, eventuallyPasses, freePort, startConsul, startEtcd } from '../support/real-parts.ts';
import { createTempDir } from '../support/temp-dir.ts';

interface Line {
  readonly msg: string;
  readonly reason?: string;
}

const linesOf = (product: Product): readonly Line[] =>
  product
    .process()
    .logs()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Line);
const waits = (product: Product): readonly Line[] =>
  linesOf(product).filter(({ msg }) => msg.startsWith('waiting for the store of trust'));

async function readyz(product: Product): Promise<unknown> {
  const answer = await fetch(`http://127.0.0.1:${product.httpPort}/readyz`).catch(() => undefined);
  return await answer?.json();
}

const waiting = { ready: false, waitingFor: ['the store of trust (unreachable)', 'objects'] };

async function startWaiting(options: ProductOptions, address: string): Promise<Product> {
  const product = await startProduct({ ...options, waitReady: false });
  await eventuallyPasses(async () => expect(await readyz(product)).toEqual(waiting), { deadlineMs: 6_000 });
  expect(waits(product)).toEqual([expect.objectContaining({ reason: expect.stringContaining(address) })]);
  expect(linesOf(product).map(({ msg }) => msg)).toContain('HTTP listens');
  return product;
}

describeWith(['etcd', 'consul'], 'a store of trust that is away at start', () => {
  it('is waited for, where it is etcd, and the program ends at once when it is told to', async () => {
    const port = await freePort();
    const address = `http://127.0.0.1:${port}`;
    const trust = { joinStore: { kind: 'etcd', endpoints: [address] } };
    await using product = await startWaiting({ config: { trust } }, address);
    product.process().signal('SIGINT');
    expect(await product.process().ended()).toBe(0);
    const started = product.start();
    await using _etcd = await startEtcd({ port });
    await started;
    expect((await product.status()).waitingFor).toEqual([]);
    expect((await product.cli('token', 'create', '--service', 'web')).code).toBe(0);
  });

  it('is waited for, where it is Consul', async () => {
    await using consul = await startConsul();
    await consul.kill();
    const trust = { joinStore: { kind: 'consul', address: consul.url } };
    await using product = await startWaiting({ config: { trust } }, consul.url);
    await using _again = await consul.again();
    await eventually(() => product.ready());
    expect((await product.cli('token', 'create', '--service', 'web')).code).toBe(0);
  });

  it('is waited for, where the sealed root lies in it, and another key than the first is an answer', async () => {
    using dir = createTempDir('store-away');
    const key = join(dir.path, 'kek');
    const newKey = (): void => writeFileSync(key, randomBytes(32).toString('base64'), { mode: 0o600 });
    newKey();
    const port = await freePort();
    const address = `http://127.0.0.1:${port}`;
    const trust = { root: { kind: 'sealed', store: { kind: 'etcd', endpoints: [address] }, key: { file: key } } };
    const config = { trust, state: join(dir.path, 'state') };
    await using product = await startWaiting({ config }, address);
    await using _etcd = await startEtcd({ port });
    await eventually(() => product.ready());
    await product.stop();
    rmSync(key);
    newKey();
    await using other = await startProduct({ config, waitReady: false });
    expect(await other.process().ended()).toBe(1);
    expect(other.process().logs()).toMatch(/error \[CH1831\].* was sealed by the key/);
    expect(waits(other)).toEqual([]);
  });

  it('ends it, where the file of its password is not there: that is no absence', async () => {
    using dir = createTempDir('store-away');
    const passwordFile = join(dir.path, 'none');
    const etcd = { kind: 'etcd', endpoints: ['http://127.0.0.1:1'], username: 'x', passwordFile };
    await using product = await startProduct({ config: { trust: { joinStore: etcd } }, waitReady: false });
    expect(await product.process().ended()).toBe(1);
    expect(product.process().logs()).toMatch(/error \[CH1822\].*none/);
  });
});
