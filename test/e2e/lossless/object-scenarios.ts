// What users change: a service's name behind its route, where a route leads, how a cluster connects, listeners, subsets,
// and an object that we accept and an Envoy refuses.
import { eventuallyPasses } from '../../support/real-parts.ts';
import type { Application } from './application.ts';
import { replaceOneByOne } from './instance-scenarios.ts';
import type { Scenario } from './scenario.ts';
import { baseShop, type Protocol, protocols, routesTo, type Shop, type ShopService } from './shop.ts';
import { pause, type Stage } from './stage.ts';

const listener = (shop: Shop): number => shop.listeners[0]?.port ?? 0;
const base = (shop: Shop): Shop => baseShop(listener(shop));

/** The base with more services and other routes. */
function withRoutes(services: readonly ShopService[], to: (protocol: Protocol) => string) {
  return (shop: Shop): Shop => ({
    ...base(shop),
    services: [...base(shop).services, ...services],
    routes: routesTo((protocol) => [{ service: to(protocol) }]),
  });
}

const names = (suffix: string): string[] => protocols.map(({ service }) => `${service}-${suffix}`);

/** The registry's services under another name of ours. */
const renamed = (suffix: string): ShopService[] =>
  protocols.map(({ service, protocol }) => ({ name: `${service}-${suffix}`, protocol, from: service }));

async function backToBase(stage: Stage, without: readonly string[]): Promise<void> {
  stage.apply('back to the base', base);
  await stage.clusters({ without });
  for (const protocol of protocols)
    await stage.answeredBy(
      protocol,
      stage.instances(protocol).map(({ name }) => name),
    );
}

/** Applications of their own for a service that the shop lists itself. */
async function apart(stage: Stage, id: string): Promise<ReadonlyMap<string, Application>> {
  const started = new Map<string, Application>();
  for (const protocol of protocols)
    started.set(protocol.service, await stage.application(protocol, `${protocol.service}-${id}`));
  return started;
}

const listed = (suffix: string, applications: ReadonlyMap<string, Application>): ShopService[] =>
  protocols.map(({ service, protocol }) => ({
    name: `${service}-${suffix}`,
    protocol,
    endpoints: [{ port: applications.get(service)?.port ?? 0 }],
  }));

const answeredApart = async (stage: Stage, id: string): Promise<void> => {
  for (const protocol of protocols) await stage.answeredBy(protocol, [`${protocol.service}-${id}`]);
};

/** Two sets of applications that routes are switched between. */
export interface Sides {
  readonly a: readonly ShopService[];
  readonly b: readonly ShopService[];
  /** Stops what was started for them. */
  end(): Promise<void>;
}

let sides = 0;

export async function twoSides(stage: Stage): Promise<Sides> {
  sides++;
  const [a, b] = [await apart(stage, 'a'), await apart(stage, 'b')];
  return {
    a: listed(`a${sides}`, a),
    b: listed(`b${sides}`, b),
    async end() {
      await Promise.all([...a.values(), ...b.values()].map((application) => application.stop()));
    },
  };
}

const nameOf = (side: readonly ShopService[], { service }: Protocol): string =>
  side.find(({ name }) => name.startsWith(`${service}-`))?.name ?? '';

/** Routes lead to one side only, and the other's services are not there. */
export function only(side: readonly ShopService[]): (shop: Shop) => Shop {
  return withRoutes(side, (protocol) => nameOf(side, protocol));
}

const clusterNames = (side: readonly ShopService[]): string[] => side.map(({ name }) => name);

async function rename(stage: Stage): Promise<void> {
  let old: string[] = [];
  for (const suffix of ['old', 'new', 'newest']) {
    stage.apply(
      `services are called *-${suffix}`,
      withRoutes(renamed(suffix), ({ service }) => `${service}-${suffix}`),
    );
    await stage.clusters({
      with: Object.fromEntries(names(suffix).map((name, index) => [name, portsOf(stage, index)])),
      without: old,
    });
    old = names(suffix);
  }
  await backToBase(stage, old);
}

function portsOf(stage: Stage, index: number): number[] {
  const protocol = protocols[index];
  return protocol === undefined ? [] : stage.instances(protocol).map(({ port }) => port);
}

async function switchSides(stage: Stage): Promise<void> {
  const two = await twoSides(stage);
  stage.apply('routes lead to side a', only(two.a));
  await answeredApart(stage, 'a');
  for (let round = 0; round < 2; round++) {
    stage.apply('to side b, side a removed', only(two.b));
    await stage.clusters({ without: clusterNames(two.a) });
    await answeredApart(stage, 'b');
    stage.apply('to side a, side b removed', only(two.a));
    await stage.clusters({ without: clusterNames(two.b) });
    await answeredApart(stage, 'a');
  }
  await backToBase(stage, clusterNames(two.a));
  await two.end();
}

async function connectSettings(stage: Stage, brief: boolean): Promise<void> {
  for (const connectMs of brief ? [2000, 3000] : [2000, 3000, 4000]) {
    stage.apply(`connect timeouts are ${connectMs} ms`, (shop) => ({
      ...base(shop),
      services: base(shop).services.map((service) => ({ ...service, connectMs })),
    }));
    await eventuallyPasses(
      async () => {
        for (const { name, envoy } of stage.proxies.slice(0, 2)) {
          const dump = await envoy.adminGet(
            '/config_dump?resource=dynamic_active_clusters&mask=cluster.name,cluster.connect_timeout',
          );
          const found = dump.split(`"connect_timeout": "${connectMs / 1000}s"`).length - 1;
          if (found < protocols.length + 1) throw new Error(`${name} has ${found} clusters with ${connectMs} ms`);
        }
      },
      { deadlineMs: 60_000 },
    );
    await pause(500);
  }
  stage.apply('back to the base', base);
  await stage.synced();
}

async function listeners(stage: Stage, brief: boolean): Promise<void> {
  const changed = async (): Promise<number> => {
    const [edge] = stage.proxies;
    return edge === undefined ? 0 : edge.envoy.stat('listener_manager.listener_in_place_updated');
  };
  for (const accessLog of brief ? [false, true] : [false, true, false, true]) {
    const before = await changed();
    stage.apply(
      `access log ${accessLog ? 'on' : 'off'}, a listener ${accessLog ? 'removed' : 'added'} beside`,
      (shop) => ({
        ...shop,
        accessLog,
        listeners: [
          { name: 'http', port: listener(shop) },
          ...(accessLog ? [] : [{ name: 'beside', port: stage.sparePort }]),
        ],
      }),
    );
    await eventuallyPasses(
      async () => {
        if ((await changed()) === before) throw new Error('the listener was not updated in place');
      },
      { deadlineMs: 60_000 },
    );
    // Past half of the drain time, when connections of the old filter chains are closed one after the other.
    await pause(2500);
  }
  await stage.synced();
}

async function subsets(stage: Stage): Promise<void> {
  const started = { v1: await apart(stage, 'v1'), v2: await apart(stage, 'v2') };
  const service = ({ service: name, protocol }: Protocol, versions: readonly ('v1' | 'v2')[]): ShopService => ({
    name: `${name}-versions`,
    protocol,
    endpoints: (['v1', 'v2'] as const).map((version) => ({
      port: started[version].get(name)?.port ?? 0,
      metadata: { version },
    })),
    subsets: versions,
  });
  const shop =
    (versions: readonly ('v1' | 'v2')[]) =>
    (current: Shop): Shop => ({
      ...base(current),
      services: [...base(current).services, ...protocols.map((protocol) => service(protocol, versions))],
      routes: routesTo((protocol) =>
        versions.length === 0
          ? [{ service: `${protocol.service}-versions` }]
          : versions.map((subset) => ({ service: `${protocol.service}-versions`, subset, weight: 50 })),
      ),
    });
  const steps: readonly (readonly ('v1' | 'v2')[])[] = [['v1'], ['v1', 'v2'], ['v2'], [], ['v1'], ['v2']];
  for (const versions of steps) {
    stage.apply(`subsets: ${versions.join(', ') || 'none'}`, shop(versions));
    for (const protocol of protocols) {
      const { service: name } = protocol;
      await stage.answeredBy(
        protocol,
        (versions.length === 0 ? ['v1', 'v2'] : versions).map((version) => `${name}-${version}`),
      );
    }
  }
  await backToBase(
    stage,
    protocols.flatMap(({ service: name }) => [`${name}-versions`, `${name}-versions/v2`]),
  );
  await Promise.all(
    Object.values(started)
      .flatMap((map) => [...map.values()])
      .map((application) => application.stop()),
  );
}

/** Changes that contradict each other, faster than the proxies can acknowledge: each waits 400 ms for its answers. */
async function halfAcknowledged(stage: Stage, brief: boolean): Promise<void> {
  const two = await twoSides(stage);
  stage.apply('routes lead to side a', only(two.a));
  await answeredApart(stage, 'a');
  stage.note('the proxies are heard 400 ms late');
  stage.wire.delayAnswers(400);
  try {
    const rounds = brief ? 3 : 8;
    for (let round = 0; round < rounds; round++) {
      // Some come before the answer to the clusters, some before that to the routes, some before that to the removal.
      stage.apply('to side b, side a removed', only(two.b));
      await pause(150 + 130 * round);
      stage.apply('to side a, side b removed', only(two.a));
      await pause(150 + 130 * (rounds - 1 - round));
    }
    stage.apply('to side b, side a removed', only(two.b));
    await stage.clusters({ without: clusterNames(two.a) });
    await answeredApart(stage, 'b');
  } finally {
    stage.wire.delayAnswers(0);
  }
  await backToBase(stage, clusterNames(two.b));
  await two.end();
}

/** A listener that no machine can bind: 192.0.2.1 is for documentation (RFC 5737). Valid to us, refused by the Envoy. */
async function poisoned(stage: Stage): Promise<void> {
  const two = await twoSides(stage);
  const poison =
    (change: (shop: Shop) => Shop) =>
    (shop: Shop): Shop => {
      const changed = change(shop);
      return {
        ...changed,
        accessLog: false,
        listeners: [...changed.listeners, { name: 'poison', port: stage.sparePort, address: '192.0.2.1' }],
      };
    };
  const refused = async (): Promise<number> => (await stage.product.status()).rejections.length;
  const before = await refused();
  stage.apply('a listener the edge refuses, and a change of all listeners beside it', poison(base));
  await eventuallyPasses(
    async () => {
      if ((await refused()) <= before) throw new Error('nothing was refused');
    },
    { deadlineMs: 60_000 },
  );
  stage.apply('meanwhile: to side a', poison(only(two.a)));
  await answeredApart(stage, 'a');
  stage.apply('meanwhile: to side b, side a removed', poison(only(two.b)));
  await stage.clusters({ without: clusterNames(two.a) });
  await answeredApart(stage, 'b');
  stage.apply('meanwhile: back to the base', poison(base));
  for (const protocol of protocols)
    await stage.answeredBy(
      protocol,
      stage.instances(protocol).map(({ name }) => name),
    );
  await Promise.all(protocols.map((protocol) => replaceOneByOne(stage, protocol, 500)));
  stage.apply('the refused listener is taken back', base);
  await stage.synced();
  await stage.clusters({ without: clusterNames(two.b) });
  await two.end();
}

export const objectScenarios: readonly Scenario[] = [
  { name: 'a service renamed behind its route', everyVariant: true, run: rename },
  {
    name: 'a route switched between clusters, the old one removed in the same change',
    everyVariant: true,
    run: switchSides,
  },
  { name: 'clusters change connect settings', everyVariant: true, run: connectSettings },
  { name: 'listeners change filter chains, one comes and goes beside', run: listeners },
  { name: 'subsets come and go', everyVariant: true, run: subsets },
  { name: 'changes while the former is half acknowledged', everyVariant: true, run: halfAcknowledged },
  { name: 'an object that Envoy refuses is applied and taken back', run: poisoned },
];
