// The control plane without its sockets: real World, translation and control over sources in memory, clients as callbacks.
// For counting and measuring what one event costs before anything is written to a stream.
import { readFileSync } from 'node:fs';
import type { Control } from '../../src/control/contract.ts';
import { createControl } from '../../src/control/control.ts';
import { createProtos } from '../../src/resources/protos.ts';
import type { ResourceRef, View } from '../../src/resources/resource.ts';
import { typeUrls } from '../../src/resources/type-urls.ts';
import { createMemoryObjects, type MemoryObjects } from '../../src/sources/memory/memory-objects.ts';
import {
  createMemoryRegistry,
  type MemoryInstance,
  type MemoryRegistry,
} from '../../src/sources/memory/memory-registry.ts';
import type { Translator } from '../../src/translate/contract.ts';
import { createTranslator } from '../../src/translate/translate.ts';
import type { Clock } from '../../src/util/clock.ts';
import { silentLogger } from '../../src/util/log.ts';
import { noMetrics } from '../../src/util/metrics.ts';
import { createSeededRandom } from '../../src/util/random.ts';
import { testClient } from './worlds.ts';

export interface TestPlane {
  readonly control: Control;
  readonly registry: MemoryRegistry;
  readonly objects: MemoryObjects;
  readonly translator: Translator;
  /** Opens a client; every change told to it is added to `told`. */
  connect(nodeId: string, nodeCluster: string): { readonly told: ResourceRef[]; view(): View };
  stop(): Promise<void>;
}

export interface TestPlaneOptions {
  readonly services: number;
  readonly instances: number;
  readonly clock: Clock;
}

export const serviceName = (index: number): string => `service-${index}`;

export function planeInstance(service: number, index: number, weight = 1): MemoryInstance {
  return {
    id: `${serviceName(service)}-${index}`,
    address: `10.${service >> 8}.${service & 255}.${index + 1}`,
    port: 8080,
    weight,
  };
}

/** Runs at once; the first World is there after one turn of the event loop. */
export function startTestPlane({ services, instances, clock }: TestPlaneOptions): TestPlane {
  const deps = { clock, random: createSeededRandom(1), log: silentLogger, metrics: noMetrics };
  const all = Object.fromEntries(
    Array.from({ length: services }, (_, service) => [
      serviceName(service),
      Array.from({ length: instances }, (_, index) => planeInstance(service, index)),
    ]),
  );
  const registry = createMemoryRegistry(deps, { name: 'memory', services: all });
  const objects = createMemoryObjects(deps, { name: 'objects' });
  const protos = createProtos(readFileSync(new URL('../../src/gen/envoy.binpb', import.meta.url)));
  const translator = createTranslator({ protos });
  const control = createControl(
    {
      clock,
      log: silentLogger,
      metrics: noMetrics,
      translator,
      registries: [registry],
      objectSources: [objects],
      store: objects,
    },
    { holdMs: 30_000 },
  );
  const stopping = new AbortController();
  const running = control.run(stopping.signal);
  let streams = 0;
  return {
    control,
    registry,
    objects,
    translator,
    connect(nodeId, nodeCluster) {
      const told: ResourceRef[] = [];
      const opened = control.open(testClient(nodeId, { nodeCluster, streamId: ++streams }), (changed) =>
        told.push(...changed),
      );
      if ('refused' in opened) throw new Error(opened.message);
      control.onEndpoints((names) => told.push(...names.map((name) => ({ type: typeUrls.endpoints, name }))));
      return { told, view: () => opened.view() };
    },
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
