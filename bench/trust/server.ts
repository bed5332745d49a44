// The control plane under test, a process of its own: the product's plane with trust on, a registry in memory with as many
// services as there are proxies. It tells its parent the port, the roots and, when asked, a token for each proxy.
import { readFileSync } from 'node:fs';
import { createPlane } from '../../src/cli/plane.ts';
import { configSchema } from '../../src/model/config.ts';
import { createMemoryObjects } from '../../src/sources/memory/memory-objects.ts';
import { createMemoryRegistry } from '../../src/sources/memory/memory-registry.ts';
import { silentLogger } from '../../src/util/log.ts';
import { noMetrics } from '../../src/util/metrics.ts';
import { pemText } from '../../src/util/pem.ts';
import { createSystemClock } from '../../src/util/system-clock.ts';

export interface ServerOptions {
  readonly state: string;
  readonly port: number;
  readonly proxies: number;
  /** Makes and redeems a join token for each proxy, and tells the parent. */
  readonly enrol: boolean;
}

export interface ServerReady {
  readonly roots: string;
  readonly tokens: readonly string[];
}

const options = JSON.parse(process.argv[2] ?? '{}') as ServerOptions;
const descriptorSet = readFileSync(new URL('../../src/gen/envoy.binpb', import.meta.url));
const common = { clock: createSystemClock(), random: Math.random, log: silentLogger, metrics: noMetrics };
const registry = createMemoryRegistry(common, { name: 'memory' });
for (let index = 0; index < options.proxies; index++) {
  const proxy = { address: '127.0.0.1', port: 15_000, localAddress: '127.0.0.1', localPort: 8080 };
  registry.register(`s${index}`, { id: `s${index}-1`, address: '127.0.0.1', port: 8080, proxy });
}
const objects = createMemoryObjects(common, { name: 'objects', documents: {} });
const config = configSchema.parse({
  state: options.state,
  trust: {},
  xds: { port: options.port },
});
const held = { registries: [registry], stores: [objects] };
const plane = await createPlane({ ...common, descriptorSet, held }, config);
void plane.run(new AbortController().signal);
await plane.listening;
const { trust } = plane;
if (trust === undefined) throw new Error('trust is off');
const { roots } = trust.authority.roots();
const pin = roots[0]?.keyId ?? '';
const tokens: string[] = [];
/** Services that one token stands for: making a thousand tokens would take longer than what is measured. */
const together = 10;
for (let index = 0; options.enrol && index < options.proxies; index += together) {
  const services = Array.from({ length: together }, (_, more) => `s${index + more}`);
  const { text } = await trust.joinTokens.create({ services, gateways: [], pin });
  const { status, body } = await trust.doors.join(JSON.stringify({ token: text }), '127.0.0.1');
  if (status !== 200) throw new Error(`joining was answered with ${status}`);
  const { token } = (JSON.parse(body) as { credential: { token: string } }).credential;
  for (const _ of services) tokens.push(token);
}
const ready: ServerReady = {
  roots: pemText(
    'CERTIFICATE',
    roots.map(({ certificate }) => certificate),
  ),
  tokens,
};
process.send?.(ready);
process.on('disconnect', () => process.exit(0));
