// How late an honest stream is answered while a hostile client attacks the same port: `npm run bench -- hostile`.
// The attacker is a process of its own; what is measured is a subscription's round trip, every few milliseconds.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { typeUrls } from '../src/resources/type-urls.ts';
import { connect } from '../test/conformance/xds/grpc-client.ts';
import { attacks } from '../test/support/hostile/attacks.ts';
import { startProduct } from '../test/support/product.ts';
import { ms, percentile, type Row, report } from './table.ts';

const self = fileURLToPath(import.meta.url);
const [, , attackName, attackPort] = process.argv;
/** An attack is repeated for so long, so that every one is measured alike. */
const attackMs = 1_500;

if (attackPort !== undefined) {
  const attack = attacks.find(({ name }) => name === attackName);
  const until = performance.now() + attackMs;
  while (performance.now() < until) await attack?.run(Number(attackPort));
  process.exit();
}

await using product = await startProduct();
product.write(
  'web.yaml',
  '{apiVersion: chancery/v1, kind: Service, metadata: {name: web}, spec: {endpoints: [{address: 127.0.0.1, port: 9}]}}\n',
);
await using honest = connect({
  port: product.xdsPort,
  channel: { variant: 'delta', aggregated: true },
  type: typeUrls.endpoints,
});

let nonce = '';
/** Asks for the name again, as a client that dropped it would: it must be answered. Milliseconds until the answer. */
async function roundTrip(): Promise<number> {
  const start = performance.now();
  const answered = once(honest.call, 'data');
  honest.send({ typeUrl: typeUrls.endpoints, responseNonce: nonce, resourceNamesSubscribe: ['web'] });
  await answered;
  const took = performance.now() - start;
  ({ nonce } = await honest.next());
  return took;
}

async function sample(until: () => boolean): Promise<number[]> {
  const all: number[] = [];
  while (!until()) {
    all.push(await roundTrip());
    await sleep(3);
  }
  return all;
}

async function measure(name: string): Promise<number[]> {
  const child = fork(self, [name, String(product.xdsPort)], { stdio: 'inherit' });
  let over = false;
  child.once('exit', () => {
    over = true;
  });
  return sample(() => over);
}

await sample(() => nonce !== '');
const warm = performance.now() + 1_000;
await sample(() => performance.now() > warm);
const quietUntil = performance.now() + 3_000;
const quiet = await sample(() => performance.now() > quietUntil);
const row = (what: string, all: readonly number[]): Row => ({
  what,
  target: '',
  measured: `p50 ${ms(percentile(all, 50))}, p99 ${ms(percentile(all, 99))}, worst ${ms(Math.max(...all))}`,
  data: { samples: all.length, p50Ms: percentile(all, 50), p99Ms: percentile(all, 99), worstMs: Math.max(...all) },
});
const rows = [row('no attack', quiet)];
for (const { name } of attacks) {
  console.error(`hostile: ${name}`);
  rows.push(row(name, await measure(name)));
}
report(
  'hostile',
  'round trip of an honest subscription during each attack; attacker, product and client share the machine',
  rows,
);
process.exit();
