// What translation adds to one endpoint event and to one route change: 1,000 services x 10 instances, 20 views, 200 Routes.
// Prints a table, keeps a JSON beside the others. Run: npm run bench -- translate
import { readFileSync } from 'node:fs';
import type { Instance } from '../src/model/instance.ts';
import { serviceId } from '../src/model/names.ts';
import type { World } from '../src/model/world.ts';
import { createProtos } from '../src/resources/protos.ts';
import type { ProxyProfile } from '../src/translate/profile.ts';
import { createTranslator } from '../src/translate/translate.ts';
import { testRoute } from '../test/support/routes.ts';
import { testInstance, testWorld } from '../test/support/worlds.ts';
import { type Row, report } from './table.ts';

const services = 1000;
const instancesEach = 10;
const views = 20;
const routeCount = 200;
const endpointEvents = 2000;
const routeChanges = 100;

const nameOf = (index: number): string => `service-${index}`;
const instancesOf = (index: number, weight: number): Instance[] =>
  Array.from({ length: instancesEach }, (_, item) =>
    testInstance(`${nameOf(index)}-${item}`, {
      address: `10.${index >> 8}.${index & 255}.${item + 1}`,
      weight: item === 0 ? weight : 1,
    }),
  );

const protos = createProtos(readFileSync(new URL('../src/gen/envoy.binpb', import.meta.url)));
const translator = createTranslator({ protos });
const profiles = Array.from(
  { length: views },
  (_, index): ProxyProfile =>
    index === 0
      ? { role: 'gateway', gateway: 'edge' }
      : {
          role: 'sidecar',
          service: serviceId('default', nameOf(index)),
          inbound: [{ address: '10.0.0.1', port: 21000, appAddress: '127.0.0.1', appPort: 8080 }],
          outbound: { address: '127.0.0.1', port: 15001 },
          upstreams: [],
        },
);
let world: World = testWorld(
  Object.fromEntries(Array.from({ length: services }, (_, index) => [nameOf(index), instancesOf(index, 1)])),
  {
    routes: Array.from({ length: routeCount }, (_, index) =>
      testRoute(`route-${String(index).padStart(4, '0')}`, { hosts: [`r${index}.example`], to: nameOf(index) }),
    ),
  },
);

interface Measured {
  readonly what: string;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuMs: number;
  readonly encoded: string;
}

function total(counters: ReadonlyMap<string, number>): Map<string, number> {
  return new Map(counters);
}

function measure(what: string, rounds: number, step: (round: number) => void): Measured {
  const before = total(translator.counters.encoded);
  const times: number[] = [];
  const cpu = process.cpuUsage();
  for (let round = 1; round <= rounds; round++) {
    const start = performance.now();
    step(round);
    times.push(performance.now() - start);
  }
  const { user, system } = process.cpuUsage(cpu);
  times.sort((a, b) => a - b);
  const at = (share: number): number =>
    times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? Number.NaN;
  const encoded = [...translator.counters.encoded]
    .map(([name, count]) => [name, (count - (before.get(name) ?? 0)) / rounds] as const)
    .filter(([, each]) => each > 0)
    .map(([name, each]) => `${each} ${name}`)
    .join(', ');
  return { what, p50Ms: at(0.5), p99Ms: at(0.99), cpuMs: (user + system) / 1000 / rounds, encoded };
}

const all = (): void => {
  translator.endpoints(world);
  for (const profile of profiles) translator.view(world, profile);
};
const rows: Measured[] = [measure('everything, first time', 1, all)];

/** What stands ready before the clock runs: the World is the model's work. */
const nextEndpoints = Array.from({ length: endpointEvents }, (_, round) => {
  const index = (round * 37) % services;
  world = {
    ...world,
    revision: world.revision + 1,
    endpoints: new Map([
      ...world.endpoints,
      [serviceId('default', nameOf(index)), instancesOf(index, (round % 100) + 2)],
    ]),
  };
  return world;
});
rows.push(
  measure('one endpoint event: the table', endpointEvents, (round) => {
    world = nextEndpoints[round - 1] ?? world;
    translator.endpoints(world);
  }),
);
let flip = 3;
rows.push(
  measure('one endpoint event: the table, then all views asked', endpointEvents / 4, (round) => {
    const index = (round * 41) % services;
    flip = flip === 3 ? 4 : 3;
    world = {
      ...world,
      endpoints: new Map([
        ...world.endpoints,
        [serviceId('default', nameOf(index)), instancesOf(index, flip + (round % 90))],
      ]),
    };
    all();
  }),
  measure('one route change, all views', routeChanges, (round) => {
    const index = round % routeCount;
    const name = `route-${String(index).padStart(4, '0')}`;
    const routes = [...world.routes];
    routes[index] = testRoute(name, { hosts: [`r${index}.example`], to: nameOf((index + round) % services) });
    world = { ...world, revision: world.revision + 1, routes };
    all();
  }),
);

const shown = (value: number): string => `${value.toFixed(3)} ms`;
report(
  'translate',
  `${services} services x ${instancesEach} instances, ${views} views, ${routeCount} Routes`,
  rows.map((row): Row => {
    const targetMs = row.what.startsWith('one endpoint event') ? 1 : undefined;
    return {
      what: row.what,
      target: targetMs === undefined ? '' : `< ${targetMs} ms CPU`,
      measured: `${shown(row.cpuMs)} CPU, p50 ${shown(row.p50Ms)}, p99 ${shown(row.p99Ms)}; encoded: ${row.encoded}`,
      ...(targetMs === undefined ? {} : { met: row.cpuMs < targetMs }),
      data: row,
    };
  }),
);
