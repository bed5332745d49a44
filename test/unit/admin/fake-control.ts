// A Control of fixed answers that records what it was asked to change.
import type {
  ApplyResult,
  ClusterLoadStatus,
  Control,
  ControlEvent,
  ControlStatus,
  ProxyStatus,
  StoredObject,
} from '../../../src/control/contract.ts';
import type { World } from '../../../src/model/world.ts';
import type { Resource, View } from '../../../src/resources/resource.ts';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import type { ClientConfig } from '../../../src/xds/contract.ts';
import { testClient } from '../../support/worlds.ts';

const at = { source: 'objects', file: 'shop.yaml', line: 1, column: 1, object: 'Route default/shop' };

export const edge: ProxyStatus = {
  node: 'edge-1',
  role: 'gateway',
  service: 'edge',
  state: 'synced',
  envoyVersion: '1.40.0',
  variant: 'delta',
  peer: '127.0.0.1:5000',
  view: 'v1',
  revision: 42,
  sinceMs: 1_000,
  types: { CDS: { state: 'acked', resources: 2, pushes: 1, rejections: 0, lastAckMs: 3 } },
  note: '',
  stats: '127.0.0.1:9902',
};

export const shop: StoredObject = {
  apiVersion: 'chancery/v1',
  kind: 'Route',
  namespace: 'default',
  name: 'shop',
  text: 'kind: Route\n',
  provenance: at,
};

export const status: ControlStatus = {
  revision: 42,
  ready: true,
  waitingFor: [],
  sources: [{ name: 'consul', kind: 'consul', revision: '8812', complete: true }],
  services: [{ id: 'cart', healthy: 2, warning: 0, critical: 1 }],
  proxies: [edge],
  rejections: [],
  refusals: [],
  problems: [],
  held: [],
};

const rates = { proxies: 1, requestsPerSecond: 12.5, failedPerSecond: 0.5, droppedPerSecond: 0, active: 3 };
const total = { requests: 1000, succeeded: 960, failed: 40, dropped: 1 };

export const load: readonly ClusterLoadStatus[] = [
  {
    cluster: 'cart',
    ...rates,
    total,
    localities: [{ region: 'eu', zone: 'a', subZone: '', ...rates, total }],
  },
];

/** One resource the proxy has, one it refused, one that is not there. */
export function streamOf(nodeId: string): ClientConfig {
  const resource = (name: string): Resource => ({
    ...{ type: typeUrls.cluster, name, version: `${name}-2`, bytes: new Uint8Array(), deps: [], provenance: [] },
  });
  const type = typeUrls.cluster;
  return {
    client: testClient(nodeId),
    variant: 'delta',
    aggregated: true,
    resources: [
      { type, name: 'cart', status: 'synced', resource: resource('cart'), held: 'cart-2' },
      { type, name: 'api', status: 'error', resource: resource('api'), held: 'api-1', reason: 'no good' },
      { type: typeUrls.routes, name: 'gone', status: 'not-sent', resource: undefined, held: '' },
    ],
  };
}

export interface FakeControl extends Control {
  readonly calls: unknown[];
  readonly listeners: Set<(event: ControlEvent) => void>;
}

export interface FakeOptions {
  readonly status?: Partial<ControlStatus>;
  readonly synced?: boolean;
  readonly result?: ApplyResult;
  readonly failure?: Error;
}

export function createFakeControl(options: FakeOptions = {}): FakeControl {
  const calls: unknown[] = [];
  const listeners = new Set<(event: ControlEvent) => void>();
  const result = options.result ?? { objects: [{ object: 'Route default/shop', result: 'created' }], problems: [] };
  const answer = async (call: unknown): Promise<ApplyResult> => {
    calls.push(call);
    if (options.failure !== undefined) throw options.failure;
    return result;
  };
  const resource = (
    type: (typeof typeUrls)[keyof typeof typeUrls],
    name: string,
    deps: View extends never ? never : readonly { type: typeof type; name: string }[],
  ) => ({
    type,
    name,
    version: 'h',
    bytes: new Uint8Array(),
    deps,
    provenance: [],
  });
  const view: View = {
    id: 'v1',
    get: (type, name) =>
      type === typeUrls.cluster
        ? { ...resource(type, name, []), deps: [{ type: typeUrls.endpoints, name: 'cart' }] }
        : resource(type, name, []),
    names: (type) => (type === typeUrls.cluster ? ['cart'] : type === typeUrls.endpoints ? ['cart', 'never-used'] : []),
  };
  return {
    calls,
    listeners,
    run: async () => {},
    status: () => ({ ...status, ...options.status }),
    load: () => load,
    certificates: () => [],
    world: () => (options.synced === false ? undefined : ({} as World)),
    viewOf: (node) => (node === 'edge-1' ? view : undefined),
    xdsEvent: () => {},
    open: () => ({ refused: 'unavailable', message: 'fake' }),
    onEndpoints: () => () => {},
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    objects: () => [shop],
    apply: (text, how) => answer({ apply: text, ...how }),
    remove: (kind, namespace, name) => answer({ remove: [kind, namespace, name] }),
  };
}
