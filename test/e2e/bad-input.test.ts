// Every malformed object of the data, written into the objects folder of a running product one after another, under load:
// each is named with its code and place, what is good beside it counts, and nothing that is served is disturbed.
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type Backend, startBackend } from '../support/backends.ts';
import { startLoad } from '../support/load.ts';
import { type Product, startProduct } from '../support/product.ts';
import { describeWith, eventually, eventuallyPasses, freePort } from '../support/real-parts.ts';

interface Case {
  readonly name: string;
  readonly text: string;
  readonly errors: readonly { readonly code: string; readonly line: number; readonly column: number }[];
  readonly ships: readonly string[];
}

const cases = parse(
  readFileSync(new URL('../data/malformed/objects.yaml', import.meta.url), 'utf8'),
) as readonly Case[];

describeWith(['envoy'], 'malformed objects in a running product', () => {
  let backend: Backend;
  let product: Product;
  let port: number;

  beforeAll(async () => {
    backend = await startBackend('steady');
    port = await freePort();
    product = await startProduct();
    product.write(
      'steady.yaml',
      [
        `kind: Gateway, metadata: {name: edge}, spec: {listeners: [{port: ${port}}]}`,
        `kind: Service, metadata: {name: steady}, spec: {endpoints: [{address: 127.0.0.1, port: ${backend.port}}]}`,
        'kind: Route, metadata: {name: steady}, spec: {hosts: [steady.example], rules: [{to: [{service: steady}]}]}',
      ]
        .map((rest) => `{apiVersion: chancery/v1, ${rest}}\n`)
        .join('---\n'),
    );
    await product.envoy('edge-1', ['--gateway', 'edge']);
  }, 60_000);
  afterAll(async () => {
    await product?.[Symbol.asyncDispose]();
    await backend?.crash();
  });

  it('are each named in status, and no request fails', async () => {
    await eventuallyPasses(async () => expect((await product.status()).problems).toEqual([]));
    const { pid } = product.process();
    const load = startLoad({ port, host: 'steady.example', perSecond: 50, maxSeconds: 60 });
    await eventually(() => (load.soFar().answered['steady'] ?? 0) > 5);
    expect(load.soFar().failures).toEqual({});

    for (const [index, { name, text, errors }] of cases.entries()) {
      const file = `bad-${index}.yaml`;
      product.write(file, text);
      const wanted = errors.map(({ code, line, column }) => `${code} ${line}:${column}`).sort();
      await eventuallyPasses(async () => {
        const { problems } = await product.status();
        const found = problems
          .filter(({ at, severity }) => at.file.endsWith(`/${file}`) && severity === 'error')
          .map(({ code, at }) => `${code} ${at.line}:${at.column}`);
        expect(found.sort(), name).toEqual(expect.arrayContaining(wanted));
      });
      product.remove(file);
    }

    await eventuallyPasses(async () => expect((await product.status()).problems).toEqual([]));
    const { sent, failures, answered } = await load.stop();
    expect(failures).toEqual({});
    expect(answered).toEqual({ steady: sent });
    expect([product.process().pid, product.process().exit()]).toEqual([pid, undefined]);
    // The last file that went may just have been told to the proxy.
    await eventuallyPasses(async () => {
      const { proxies, rejections } = await product.status();
      expect(rejections).toEqual([]);
      expect(proxies.map(({ node, state }) => ({ node, state }))).toEqual([{ node: 'edge-1', state: 'synced' }]);
    });
  }, 60_000);

  it('all at once are no more than each', async () => {
    const load = startLoad({ port, host: 'steady.example', perSecond: 50, maxSeconds: 60 });
    for (const [index, { text }] of cases.entries()) product.write(`all-${index}.yaml`, text);
    await eventuallyPasses(async () => {
      const named = new Set((await product.status()).problems.map(({ at }) => basename(at.file)));
      expect(cases.filter((_one, index) => !named.has(`all-${index}.yaml`)).map(({ name }) => name)).toEqual([]);
    });
    for (const index of cases.keys()) product.remove(`all-${index}.yaml`);
    await eventuallyPasses(async () => expect((await product.status()).problems).toEqual([]));
    expect((await load.stop()).failures).toEqual({});
  }, 60_000);
});
