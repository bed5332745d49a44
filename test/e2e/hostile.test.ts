// A hostile client at the xDS port of a running product, while an honest stream goes on: it gets every change, the process
// stays the same one, and what the attack made it hold is bounded. How late the honest stream is told is in bench/.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { typeUrls } from '../../src/resources/type-urls.ts';
import { connect, type GrpcClient } from '../conformance/xds/grpc-client.ts';
import { eventually } from '../support/eventually.ts';
import { attacks } from '../support/hostile/attacks.ts';
import { inspectorFlags, liveMb } from '../support/live-memory.ts';
import { type Product, startProduct } from '../support/product.ts';

/** Most megabytes that the process ever had resident. Source: proc(5), VmHWM. */
function peakMb(pid: number): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
}

/** What all attacks together may add for good: 11 when written, most of it code and connections that are closing. */
const keptMb = 40;
/** What they may ever make it take, garbage included: 200 alone, 360 beside other tests when written, by when V8 collects. */
const mostMb = 800;

describe('T8, T10: a hostile client', () => {
  let product: Product;
  let honest: GrpcClient;
  let changes = 0;
  let before = 0;

  const change = (): void =>
    product.write(
      'web.yaml',
      `{apiVersion: chancery/v1, kind: Service, metadata: {name: web}, spec: {endpoints: [{address: 127.0.0.1, port: ${10_000 + ++changes}}]}}\n`,
    );
  /** The next change as the honest stream gets it. */
  async function told(): Promise<void> {
    change();
    const answer = await honest.next();
    honest.send({ typeUrl: typeUrls.endpoints, responseNonce: answer.nonce });
    expect(answer.resources.map(({ name }) => name)).toEqual(['web']);
  }

  beforeAll(async () => {
    product = await startProduct({ nodeFlags: inspectorFlags });
    change();
    await eventually(async () => (await product.status()).services.some(({ id }) => id.endsWith('web')));
    honest = connect({
      port: product.xdsPort,
      channel: { variant: 'delta', aggregated: true },
      type: typeUrls.endpoints,
    });
    honest.send({ typeUrl: typeUrls.endpoints, resourceNamesSubscribe: ['web'] });
    const { nonce } = await honest.next();
    honest.send({ typeUrl: typeUrls.endpoints, responseNonce: nonce });
    await told();
    before = await liveMb(product.process());
  }, 60_000);
  afterAll(async () => {
    await honest?.[Symbol.asyncDispose]();
    await product?.[Symbol.asyncDispose]();
  });

  it.each(attacks)('disturbs nobody with $name', { timeout: 30_000 }, async ({ run }) => {
    const { pid } = product.process();
    const attack = run(product.xdsPort);
    await told();
    await attack;
    await told();
    expect(product.process().exit()).toBeUndefined();
    expect(product.process().pid).toBe(pid);
    expect((await liveMb(product.process())) - before).toBeLessThan(keptMb);
    expect(peakMb(pid)).toBeLessThan(mostMb);
  });

  it('leaves nothing behind', async () => {
    await eventually(
      async () => (await product.status()).proxies.filter(({ state }) => state !== 'offline').length === 1,
    );
    expect(product.process().logs()).not.toMatch(/internal error|uncaught|unhandled/i);
  });
});
