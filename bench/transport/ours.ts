// The server under test: the product as `serve` puts it together (createPlane, prom-client, pino), over a registry and
// objects in memory, so that a change comes without a registry's own time. Beside it loopback control endpoints:
// /update?type=endpoints|cluster&k=..&seq=.., /gc, /state, /resources, /profile (starts, then stops one). It ends by itself when its lifetime is over.
// usage: node --expose-gc ours.ts '{"services": 1000, ...}'   (OursOptions); prints {"xds": port, "control": port}
import { openSync, readFileSync, writeSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createPromMetrics } from '../../src/admin/metrics.ts';
import { growHeapWithFleet, keepHeapSmall } from '../../src/cli/heap.ts';
import { createLogger } from '../../src/cli/logger.ts';
import { createPlane } from '../../src/cli/plane.ts';
import { type Config, configSchema } from '../../src/model/config.ts';
import type { View } from '../../src/resources/resource.ts';
import { typeUrls } from '../../src/resources/type-urls.ts';
import { createMemoryObjects } from '../../src/sources/memory/memory-objects.ts';
import { createMemoryRegistry, type MemoryInstance } from '../../src/sources/memory/memory-registry.ts';
import { createSystemClock } from '../../src/util/system-clock.ts';
import { planeInstance, serviceName } from '../../test/support/plane.ts';
import { testClient } from '../../test/support/worlds.ts';
import { fnv } from './discovery.ts';
import { type Profile, startProfile } from './profile.ts';

export interface OursOptions {
  readonly services: number;
  readonly instances: number;
  /** Give every service an object of its own, so that clusters can be changed. */
  readonly objects: boolean;
  /** 0 takes a free one. */
  readonly port: number;
  /** Merged over `xds` of the configuration. */
  readonly xds?: Readonly<Record<string, unknown>>;
}

keepHeapSmall();
const lifetimeMs = 30 * 60_000;
const options = JSON.parse(process.argv[2] ?? '{}') as OursOptions;
const clock = createSystemClock();
const logFile = openSync('/dev/null', 'w');
const logs = createLogger({
  level: 'info',
  pretty: false,
  colour: false,
  write: (line) => {
    writeSync(logFile, line);
    // Whoever reads what came of a lap wants to know; in a good one there is none.
    if (!line.startsWith('{"level":30')) process.stderr.write(line);
  },
});
const log = logs.logger;
const metrics = createPromMetrics({ version: '0', node: 'chancery' });
const deps = { clock, random: Math.random, log, metrics };

/** As small as a cluster of ours gets, so that a thousand of them are near the size that peers are measured at. */
const serviceObject = (k: number, connectMs: number): string =>
  `apiVersion: chancery/v1\nkind: Service\nmetadata: {name: ${serviceName(k)}}\n` +
  `spec: {protocol: tcp, health: {outlier: false}, limits: {retries: 3}, timeouts: {connect: ${connectMs}ms}}\n`;

const instance = (k: number, index: number, seq: number): MemoryInstance => ({
  ...planeInstance(k, index),
  ...(index === 0 ? { port: 20_000 + (seq % 40_000) } : {}),
});

const registry = createMemoryRegistry(deps, {
  name: 'memory',
  services: Object.fromEntries(
    Array.from({ length: options.services }, (_, k) => [
      serviceName(k),
      Array.from({ length: options.instances }, (_item, index) => instance(k, index, 0)),
    ]),
  ),
});
const objects = createMemoryObjects(deps, {
  name: 'objects',
  documents: options.objects
    ? Object.fromEntries(Array.from({ length: options.services }, (_, k) => [`${k}.yaml`, serviceObject(k, 1000)]))
    : {},
});
const config: Config = configSchema.parse({ xds: { insecure: true, ...options.xds, port: options.port } });
const descriptorSet = readFileSync(new URL('../../src/gen/envoy.binpb', import.meta.url));
const plane = await createPlane(
  { ...deps, descriptorSet, held: { registries: [registry], stores: [objects] } },
  config,
);
growHeapWithFleet(plane.control);
metrics.mirror(plane.control);
// As `serve` has one, to see when it is ready.
const ready = new Promise<void>((resolve) => {
  plane.control.subscribe((event) => {
    if (event.kind === 'world') resolve();
  });
});

async function update(query: URLSearchParams): Promise<void> {
  const [k, seq] = [Number(query.get('k')), Number(query.get('seq'))];
  if (query.get('type') === 'endpoints') registry.register(serviceName(k), instance(k, 0, seq));
  else await objects.put({ path: `${k}.yaml`, text: serviceObject(k, 1001 + (seq % 8000)) });
}

/** What a gateway is to hold, whichever proxies are connected. */
function view(): View {
  const opened = plane.control.open(testClient('state', { streamId: -1 }), () => {});
  if (opened instanceof Promise || 'refused' in opened) throw new Error('no view');
  const now = opened.view();
  opened.close();
  return now;
}

const benched = [typeUrls.endpoints, typeUrls.cluster] as const;

function state(): unknown {
  const now = view();
  const hashes = benched.map((type) => [
    type,
    Object.fromEntries([...now.names(type)].map((name) => [name, fnv(now.get(type, name)?.bytes ?? new Uint8Array())])),
  ]);
  const { proxies } = plane.control.status();
  const pending = proxies.filter(
    ({ state: of, types }) => of !== 'synced' || Object.values(types).some((type) => type.state === 'pending'),
  ).length;
  return { resources: Object.fromEntries(hashes), streams: proxies.length, pending };
}

/** For the peer: a byte for the type (0 endpoints, 1 clusters), four bytes of length, the encoded resource, and so on. */
function resources(): Buffer {
  const now = view();
  return Buffer.concat(
    benched.flatMap((type, number) =>
      [...now.names(type)].flatMap((name) => {
        const bytes = now.get(type, name)?.bytes ?? new Uint8Array();
        const head = Buffer.alloc(5);
        head[0] = number;
        head.writeUInt32BE(bytes.length, 1);
        return [head, bytes];
      }),
    ),
  );
}

let profiling: (() => Promise<Profile>) | undefined;
const answers: Readonly<Record<string, (url: URL, response: ServerResponse) => void | Promise<void>>> = {
  '/update': async (url, response) => {
    await update(url.searchParams);
    response.end();
  },
  '/gc': (_url, response) => {
    globalThis.gc?.();
    globalThis.gc?.();
    response.end(JSON.stringify(process.memoryUsage()));
  },
  '/state': (_url, response) => void response.end(JSON.stringify(state())),
  '/profile': async (_url, response) => {
    const running = profiling;
    profiling = running === undefined ? await startProfile() : undefined;
    response.end(JSON.stringify(running === undefined ? {} : await running()));
  },
  '/resources': (_url, response) => void response.end(resources()),
};

const control = createServer((incoming, response) => {
  const url = new URL(incoming.url ?? '/', 'http://127.0.0.1');
  const answer = answers[url.pathname];
  if (answer === undefined) {
    response.writeHead(404).end();
    return;
  }
  void (async () => answer(url, response))().catch((error: unknown) => {
    response.writeHead(500).end(String(error));
  });
});
// A kept connection must not end just as the next request takes it.
control.keepAliveTimeout = lifetimeMs;
await new Promise<void>((resolve) => control.listen(0, '127.0.0.1', resolve));

const stopping = new AbortController();
process.on('SIGTERM', () => stopping.abort());
setTimeout(() => process.exit(3), lifetimeMs).unref();
const running = plane.run(stopping.signal);
const [{ port }] = await Promise.all([Promise.race([plane.listening, running.then(() => ({ port: 0 }))]), ready]);
const wrong = plane.control.status().problems.find(({ severity }) => severity === 'error');
if (wrong !== undefined) throw new Error(`the world has a problem: ${JSON.stringify(wrong)}`);
process.stdout.write(`${JSON.stringify({ xds: port, control: (control.address() as AddressInfo).port })}\n`);
await running;
process.exit(0);
