// The stage of the zero-loss scenarios: a registry, the product as a process behind a wire that can be tampered with, an
// edge, a calling sidecar and a called one, applications for three protocols, and constant load through edge and sidecar.
import { parse } from 'yaml';
import { startBackend } from '../../support/backends.ts';
import { type Product, startProduct } from '../../support/product.ts';
import { eventuallyPasses, freePorts, type RunningEnvoy, startEnvoy } from '../../support/real-parts.ts';
import type { RegistryRig, RunningRegistry, TestInstance } from '../registry-rigs.ts';
import { type AccessLogFilter, createAccessLogFilter } from './access-log.ts';
import { type Application, startHttp2Application } from './application.ts';
import { type ControlWire, startControlWire } from './control-wire.ts';
import type { Target } from './load-plan.ts';
import { type RunningLoad, startLoadThread } from './load-thread.ts';
import { createRequester } from './requester.ts';
import { baseShop, innerService, type Protocol, protocols, type Shop, shopYaml } from './shop.ts';

export interface StageOptions {
  readonly envoy: 'newest' | 'oldest';
  readonly variant: 'delta' | 'sotw';
  readonly rig: RegistryRig;
  /** The load ends by itself after this long. */
  readonly maxSeconds: number;
}

export interface StageProxy {
  readonly name: string;
  readonly envoy: RunningEnvoy;
  readonly log: AccessLogFilter;
}

export interface Stage extends AsyncDisposable {
  readonly options: StageOptions;
  /** Of the Envoys, such as 1.40.0. */
  readonly version: string;
  readonly registry: RunningRegistry;
  readonly wire: ControlWire;
  readonly proxies: readonly StageProxy[];
  readonly load: RunningLoad;
  /** A free one, for a listener that comes and goes. */
  readonly sparePort: number;
  readonly timeline: { readonly atMs: number; readonly what: string }[];
  /** The control plane that the proxies are connected to. */
  product: Product;
  shop(): Shop;
  note(what: string): void;
  /** Writes the shop as `change` makes it: one change. */
  apply(what: string, change: (shop: Shop) => Shop): void;
  /** Starts an application, not registered anywhere. */
  application(protocol: Protocol, id: string): Promise<Application>;
  /** Starts one and registers it. */
  instance(protocol: Protocol, id: string): Promise<Application>;
  /** The registered applications of a protocol, oldest first. */
  instances(protocol: Protocol): readonly Application[];
  deregister(protocol: Protocol, application: Application): Promise<void>;
  /** Until edge and calling sidecar have these clusters with these ports, and not those. */
  clusters(expected: {
    readonly with?: Readonly<Record<string, readonly number[]>>;
    readonly without?: readonly string[];
  }): Promise<void>;
  /** Until every answer for the protocol comes from one of these, through edge and sidecar. */
  answeredBy(protocol: Protocol, names: readonly string[]): Promise<void>;
  /** Until every proxy is connected and has taken all. */
  synced(): Promise<void>;
  /** Longest of the waits since the last call, milliseconds: what a change took to be in force. */
  slowestWait(): number;
  /** A second control plane on the same registry and objects. */
  replica(): Promise<Product>;
}

const deadlineMs = 60_000;
export const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Requests a second: 260 through the edge, 260 through the calling sidecar, of which 30 go on through the called one. */
function targets(edge: number, sidecar: number): Target[] {
  const mix: readonly (readonly [Target['kind'], string, number])[] = [
    ['h1', 'plain.shop', 90],
    ['h2', 'two.shop', 90],
    ['grpc', 'rpc.shop', 60],
    ['post', 'plain.shop', 20],
  ];
  const through = (via: string, port: number, [kind, host, perSecond]: (typeof mix)[number]): Target => ({
    ...{ via, port, kind, host, perSecond },
  });
  return [
    ...mix.map((item) => through('edge', edge, item)),
    ...mix.map(([kind, host, perSecond]) => through('sidecar', sidecar, [kind, host, kind === 'h1' ? 60 : perSecond])),
    through('two sidecars', sidecar, ['h1', innerService, 30]),
  ];
}

export async function startStage(options: StageOptions): Promise<Stage> {
  const stack = new AsyncDisposableStack();
  try {
    return await build(options, stack);
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

async function build(options: StageOptions, stack: AsyncDisposableStack): Promise<Stage> {
  const { rig, variant, envoy: wanted, maxSeconds } = options;
  const registry = stack.use(await rig.start());
  const first = await startProduct({ registries: [registry.config] });
  stack.use(first);
  const wire = stack.use(await startControlWire(first.xdsPort));
  const [edgePort = 0, outbound = 0, inbound = 0, innerOutbound = 0, sparePort = 0] = await freePorts(5);
  const running = new Map<string, Application[]>();
  const timeline: { atMs: number; what: string }[] = [];
  let shop = baseShop(edgePort);
  const started = new Set<Application>();
  stack.defer(async () => void (await Promise.all([...started].map((application) => application.crash()))));

  async function proxy(name: string, args: readonly string[], concurrency: number): Promise<StageProxy> {
    const [stats = 0, admin = 0] = await freePorts(2);
    const printed = await first.cli(
      ...['bootstrap', name, '--xds', `127.0.0.1:${wire.port}`, '--stats', `127.0.0.1:${stats}`],
      ...['--admin', `127.0.0.1:${admin}`, ...args],
    );
    if (printed.code !== 0) throw new Error(`bootstrap exited ${printed.code}: ${printed.stderr}`);
    const config = parse(printed.stdout) as { dynamicResources: { adsConfig: { apiType: string } } };
    config.dynamicResources.adsConfig.apiType = variant === 'sotw' ? 'GRPC' : 'DELTA_GRPC';
    const log = createAccessLogFilter();
    const envoy = stack.use(
      await startEnvoy(config, {
        ...(wanted === 'oldest' ? { bin: 'oldest' } : {}),
        // Drains end within the scenario that caused them; the access log is there when a failure is explained.
        args: ['--concurrency', String(concurrency), '--drain-time-s', '4', '--file-flush-interval-msec', '200'],
        onOutput: log.take,
      }),
    );
    return { name, envoy, log };
  }

  async function register(id: string, port: number, more: Pick<TestInstance, 'service'> & Partial<TestInstance>) {
    await registry.put({ id, port, ...more });
  }

  let slowestMs = 0;
  const wait = async (condition: () => Promise<void>): Promise<void> => {
    const from = performance.now();
    await eventuallyPasses(condition, { deadlineMs });
    slowestMs = Math.max(slowestMs, performance.now() - from);
  };

  const proxies: StageProxy[] = [];
  const stage: Omit<Stage, 'load' | 'version' | typeof Symbol.asyncDispose> = {
    ...{ options, registry, wire, proxies, timeline, sparePort, product: first },
    shop: () => shop,
    note: (what) => void timeline.push({ atMs: performance.timeOrigin + performance.now(), what }),
    apply(what, change) {
      shop = change(shop);
      stage.note(what);
      first.write('shop.yaml', shopYaml(shop));
    },
    async application({ protocol }, id) {
      const application = protocol === 'http' ? await startBackend(id) : await startHttp2Application(id);
      started.add(application);
      return application;
    },
    async instance(protocol, id) {
      const application = await stage.application(protocol, id);
      running.set(protocol.service, [...(running.get(protocol.service) ?? []), application]);
      stage.note(`${id} registered`);
      await register(id, application.port, { service: protocol.service });
      return application;
    },
    instances: ({ service }) => running.get(service) ?? [],
    async deregister({ service }, application) {
      running.set(
        service,
        (running.get(service) ?? []).filter((other) => other !== application),
      );
      stage.note(`${application.name} deregistered`);
      await registry.remove(service, application.name);
    },
    async clusters({ with: present = {}, without = [] }) {
      await wait(async () => {
        for (const { name, envoy } of proxies.slice(0, 2)) {
          const hosts = await clusterHosts(envoy);
          for (const [cluster, ports] of Object.entries(present)) {
            const expected = ports.map((port) => `127.0.0.1:${port}`).sort();
            const found = [...(hosts.get(cluster) ?? ['(no cluster)'])].sort();
            if (expected.join() !== found.join())
              throw new Error(`${name}: ${cluster} has ${found.join(', ')}, not ${expected.join(', ')}`);
          }
          for (const cluster of without) if (hosts.has(cluster)) throw new Error(`${name} still has ${cluster}`);
        }
      });
    },
    async answeredBy(protocol, names) {
      for (const [via, port] of [
        ['edge', edgePort],
        ['sidecar', outbound],
      ] as const) {
        const requester = createRequester({ via, port, kind: protocol.kind, host: protocol.host, perSecond: 0 });
        try {
          await wait(async () => {
            for (let i = 0; i < 3 * names.length; i++) {
              const { reason, backend } = await new Promise<{ reason: string | undefined; backend: string }>((done) =>
                requester.send('/probe', false, done),
              );
              if (reason !== undefined || !names.includes(backend))
                throw new Error(`${protocol.host} through the ${via}: ${reason ?? backend}`);
            }
          });
        } finally {
          requester.close();
        }
      }
    },
    async synced() {
      await wait(async () => {
        const { proxies: known } = await stage.product.status();
        const states = known.map(({ node, state }) => `${node} ${state}`).sort();
        if (states.join() !== 'caller-1 synced,edge-1 synced,inner-1 synced') throw new Error(states.join(', '));
      });
    },
    slowestWait() {
      const longest = slowestMs;
      slowestMs = 0;
      return longest;
    },
    async replica() {
      return startProduct({ registries: [registry.config], objects: [{ kind: 'directory', path: first.objects }] });
    },
  };

  stage.apply('base', (same) => same);
  for (const protocol of protocols) for (const n of [1, 2]) await stage.instance(protocol, `${protocol.service}-${n}`);
  const inner = await startBackend('inner-1');
  started.add(inner);
  await register('inner-1', inner.port, { service: innerService, proxyPort: inbound });
  await register('caller-1', 1, { service: 'caller' });
  proxies.push(
    await proxy('edge-1', ['--gateway', 'edge'], 2),
    await proxy('caller-1', ['--service', 'caller', '--outbound', `127.0.0.1:${outbound}`], 1),
    await proxy('inner-1', ['--service', innerService, '--outbound', `127.0.0.1:${innerOutbound}`], 1),
  );
  for (const protocol of protocols)
    await stage.answeredBy(
      protocol,
      [1, 2].map((n) => `${protocol.service}-${n}`),
    );
  await stage.answeredBy({ kind: 'h1', service: innerService, host: innerService, protocol: 'http' }, ['inner-1']);
  await stage.synced();
  const info = JSON.parse((await proxies[0]?.envoy.adminGet('/server_info')) ?? '{}') as { version?: string };
  const version = info.version?.split('/')[1] ?? 'unknown';
  const load = stack.use(
    await startLoadThread({ targets: targets(edgePort, outbound), freshEvery: 20, timeoutMs: 5000, maxSeconds }),
  );
  return Object.assign(stage, { load, version, [Symbol.asyncDispose]: () => stack.disposeAsync() });
}

/** Addresses by cluster, as the Envoy's admin port tells them; a cluster without any has an empty list. */
async function clusterHosts(envoy: RunningEnvoy): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, Set<string>>();
  for (const line of (await envoy.adminGet('/clusters')).split('\n')) {
    const [name = '', host = ''] = line.split('::');
    if (name === '') continue;
    const hosts = found.get(name) ?? new Set();
    found.set(name, hosts);
    if (/^127\.0\.0\.1:\d+$/.test(host)) hosts.add(host);
  }
  return new Map([...found].map(([name, hosts]) => [name, [...hosts]]));
}
