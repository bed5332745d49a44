// How long one instance event takes in a World of 1,000 services x 10 instances: the model's share of the hot path.
// Beside it, one edited Route document among 1,000. Prints a line each and a JSON; target for the event: under 0.3 ms
// (median). Run: node bench/next-world.ts
import type { Instance } from '../src/model/instance.ts';
import { nextWorld, type WorldInput } from '../src/model/next-world.ts';
import type { ObjectDocument, ObjectSnapshot, RegistryService, RegistrySnapshot } from '../src/model/snapshot.ts';
import type { World } from '../src/model/world.ts';

const services = 1000;
const instancesEach = 10;
const routes = 200;
const events = 2000;
const targetMs = 0.3;

function instance(service: number, index: number, health: Instance['health']): Instance {
  const id = `service-${service}-${index}`;
  const address = `10.${service >> 8}.${service & 255}.${index + 1}`;
  return { key: `memory/${id}`, id, address, port: 8080, health, weight: 1, metadata: {}, tags: [] };
}

function record(service: number, health: Instance['health'] = 'healthy'): RegistryService {
  const instances = Array.from({ length: instancesEach }, (_, index) =>
    instance(service, index, index === 0 ? health : 'healthy'),
  );
  return { name: `service-${service}`, instances };
}

function snapshot(revision: number, table: ReadonlyMap<string, RegistryService>): RegistrySnapshot {
  return {
    source: 'memory',
    kind: 'memory',
    revision: String(revision),
    complete: true,
    services: table,
    problems: [],
  };
}

const text = Array.from(
  { length: routes },
  (_, index) =>
    `apiVersion: chancery/v1\nkind: Route\nmetadata: {name: route-${index}}\nspec:\n  hosts: [r${index}.example]\n` +
    `  rules:\n  - match: [{path: {prefix: /a}}]\n    to: [{service: service-${index}}]\n  - to: [{service: service-${index + 1}}]\n`,
).join('---\n');
const objects: ObjectSnapshot[] = [
  {
    source: 'files',
    revision: '1',
    complete: true,
    documents: new Map([['routes.yaml', { path: 'routes.yaml', text }]]),
  },
];

let table = new Map(Array.from({ length: services }, (_, index) => [`service-${index}`, record(index)]));
const started = performance.now();
let world: World = nextWorld(undefined, { registries: [snapshot(0, table)], objects });
const firstMs = performance.now() - started;

const times: number[] = [];
for (let event = 1; event <= events; event++) {
  const service = (event * 37) % services;
  table = new Map(table);
  table.set(`service-${service}`, record(service, event % 2 === 0 ? 'critical' : 'warning'));
  const input = { registries: [snapshot(event, table)], objects };
  const before = performance.now();
  const next = nextWorld(world, input);
  times.push(performance.now() - before);
  if (next === world) throw new Error('an event changed nothing');
  world = next;
}

/** Edits of one Route document in a store of a thousand, each with a Service beside it. */
function editTimes(): number[] {
  const document = (index: number, path: string): ObjectDocument => ({
    path: `r${index}.yaml`,
    text:
      `apiVersion: chancery/v1\nkind: Route\nmetadata: {name: r${index}}\nspec: {hosts: [r${index}.example], ` +
      `rules: [{match: [{path: {prefix: /${path}}}], to: [{service: s${index}}]}]}\n---\n` +
      `apiVersion: chancery/v1\nkind: Service\nmetadata: {name: s${index}}\nspec: {port: 80}\n`,
  });
  let documents = new Map(Array.from({ length: 1000 }, (_, index) => [`r${index}.yaml`, document(index, 'a')]));
  const input = (revision: number): WorldInput => ({
    registries: [],
    objects: [{ source: 'files', revision: String(revision), complete: true, documents }],
  });
  let edited = nextWorld(undefined, input(0));
  return Array.from({ length: 200 }, (_, index) => {
    documents = new Map(documents);
    documents.set(`r${index}.yaml`, document(index, `b${index}`));
    const before = performance.now();
    edited = nextWorld(edited, input(index + 1));
    return performance.now() - before;
  });
}

function percentiles(all: readonly number[]): { readonly p50: number; readonly p99: number } {
  const sorted = all.toSorted((a, b) => a - b);
  const at = (share: number): number => Number((sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(4));
  return { p50: at(0.5), p99: at(0.99) };
}

const result = {
  firstMs: Number(firstMs.toFixed(1)),
  eventMs: percentiles(times),
  editMs: percentiles(editTimes()),
  targetMs,
};
process.stdout.write(
  `next world, ${services} services x ${instancesEach}, ${routes} routes: first ${result.firstMs} ms, ` +
    `event p50 ${result.eventMs.p50} ms, p99 ${result.eventMs.p99} ms (target ${targetMs} ms)\n` +
    `one of 1,000 Route documents edited: p50 ${result.editMs.p50} ms, p99 ${result.editMs.p99} ms\n${JSON.stringify(result)}\n`,
);
