// The objects of the scenarios, as data and as one file: what a user would write by hand, written by the test.
// Invariant: one write of the file is one change, however much of it differs.
import type { Kind } from './load-plan.ts';

export interface ShopService {
  readonly name: string;
  readonly protocol: 'http' | 'http2' | 'grpc';
  /** Name in the registry; absent: its own. */
  readonly from?: string;
  /** Ports of instances that the object itself lists. */
  readonly endpoints?: readonly { readonly port: number; readonly metadata?: Readonly<Record<string, string>> }[];
  readonly subsets?: readonly string[];
  readonly connectMs?: number;
}

export interface Destination {
  readonly service: string;
  readonly subset?: string;
  readonly weight?: number;
}

export interface Shop {
  readonly services: readonly ShopService[];
  /** Destinations by host. */
  readonly routes: Readonly<Record<string, readonly Destination[]>>;
  readonly accessLog: boolean;
  readonly listeners: readonly { readonly name: string; readonly port: number; readonly address?: string }[];
}

export interface Protocol {
  readonly kind: Kind;
  readonly service: string;
  readonly host: string;
  readonly protocol: ShopService['protocol'];
}

/** One service for each kind of request; POSTs go where HTTP/1.1 GETs go. */
export const protocols: readonly Protocol[] = [
  { kind: 'h1', service: 'plain', host: 'plain.shop', protocol: 'http' },
  { kind: 'h2', service: 'two', host: 'two.shop', protocol: 'http2' },
  { kind: 'grpc', service: 'rpc', host: 'rpc.shop', protocol: 'grpc' },
];

/** The service with a sidecar before its one instance. */
export const innerService = 'inner';

/** Every host leads to the service of its protocol, whose instances are in the registry. */
export function baseShop(edgePort: number): Shop {
  return {
    services: [
      ...protocols.map(({ service, protocol }) => ({ name: service, protocol })),
      { name: innerService, protocol: 'http' },
    ],
    routes: Object.fromEntries(protocols.map(({ host, service }) => [host, [{ service }]])),
    accessLog: true,
    listeners: [{ name: 'http', port: edgePort }],
  };
}

/** Every host leads where `to` says. */
export function routesTo(to: (protocol: Protocol) => readonly Destination[]): Shop['routes'] {
  return Object.fromEntries(protocols.map((protocol) => [protocol.host, to(protocol)]));
}

/** The shop as one file of objects. */
export function shopYaml(shop: Shop): string {
  const object = (kind: string, name: string, spec: object): object => ({
    ...{ apiVersion: 'chancery/v1', kind, metadata: { name }, spec },
  });
  const objects = [
    object('Mesh', 'mesh', { telemetry: { accessLog: shop.accessLog } }),
    object('Gateway', 'edge', {
      listeners: shop.listeners.map((listener) => ({ ...listener, protocol: 'http' })),
    }),
    ...shop.services.map(({ name, protocol, from, endpoints, subsets, connectMs }) =>
      object('Service', name, {
        protocol,
        ...(from === undefined ? {} : { from: { service: from } }),
        ...(endpoints === undefined
          ? {}
          : { endpoints: endpoints.map((endpoint) => ({ address: '127.0.0.1', ...endpoint })) }),
        ...(subsets === undefined
          ? {}
          : { subsets: subsets.map((subset) => ({ name: subset, where: { version: subset } })) }),
        ...(connectMs === undefined ? {} : { timeouts: { connect: `${connectMs}ms` } }),
      }),
    ),
    ...Object.entries(shop.routes).map(([host, to]) =>
      object('Route', host.replace('.', '-'), { hosts: [host], rules: [{ to }] }),
    ),
  ];
  return `${objects.map((item) => JSON.stringify(item)).join('\n---\n')}\n`;
}
