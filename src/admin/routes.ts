// The API's lines: health, metrics, discovery, and control's views and one-shot writes.
// It decides nothing: every answer is control's, in JSON. Invariant: what names objects, proxies or services needs the token.
import { z } from 'zod';
import type { Control, ResourceState } from '../control/contract.ts';
import type { Resource } from '../resources/resource.ts';
import { shortNames, type TypeUrl, typeUrls } from '../resources/type-urls.ts';
import type { Clock } from '../util/clock.ts';
import type { LogLevel } from '../util/log.ts';
import type { ClientConfig, ResourceConfig } from '../xds/contract.ts';
import { type AccessTokenParts, createAccessRoutes } from './access-routes.ts';
import { streamEvents } from './event-stream.ts';
import { Fault } from './fault.ts';
import type { PromMetrics } from './metrics.ts';
import { createObjectRoutes } from './object-routes.ts';
import { changed, jsonReply, type RouteLine, read } from './route.ts';
import { prometheusTargets } from './service-discovery.ts';
import { createTrustRoutes, type TrustParts } from './trust-routes.ts';

export interface LogLevels {
  /** Level by component; `default` for the rest. */
  levels(): Readonly<Record<string, LogLevel>>;
  /** Undefined component: the default of all. */
  setLevel(level: LogLevel, component: string | undefined): void;
}

export interface RoutesDeps {
  readonly control: Control;
  readonly clock: Clock;
  readonly metrics: PromMetrics;
  readonly logLevels: LogLevels;
  /** A resource as proto3 JSON, nested Any included. */
  readonly decode: (resource: Resource) => unknown;
  /** What the streams of a node say of themselves; empty for a node not connected. */
  readonly streamsOf: (node: string) => Promise<readonly ClientConfig[]>;
  readonly version: string;
  readonly node: string;
  /** False: whoever scrapes metrics needs a token too, as where the API is reached over a network. */
  readonly openScraping?: boolean;
  /** Tokens of the API beside the first one. */
  readonly accessTokens?: AccessTokenParts | undefined;
  /** Absent: no authority is configured. */
  readonly trust?: TrustParts;
}

const nodeParams = z.strictObject({ node: z.string().max(512) });
const levelBody = z.strictObject({
  level: z.enum(['debug', 'info', 'warn', 'error']),
  component: z.string().min(1).max(64).optional(),
});
const forProbes = 'probes carry no secret, and it tells no name of the mesh';
const forScrapers = 'on loopback, and where plaintext was asked for, scrapers carry no secret';

function resourceState({ type, name, status, resource, held, reason }: ResourceConfig): ResourceState {
  return {
    ...{ type: shortNames[type], name, status },
    ...(resource === undefined ? {} : { version: resource.version }),
    ...(held === '' ? {} : { held }),
    ...(reason === undefined ? {} : { reason }),
  };
}

export function createRoutes(deps: RoutesDeps): readonly RouteLine[] {
  const { control } = deps;
  const scraping = deps.openScraping === false ? 'reading' : { open: forScrapers };
  const proxyOf = (params: unknown) => {
    const { node } = read(nodeParams, params);
    const proxy = control.status().proxies.find((candidate) => candidate.node === node);
    if (proxy === undefined) throw new Fault(404, 'CH1703', `proxy "${node}" has never connected`);
    return proxy;
  };
  return [
    {
      method: 'GET',
      path: '/healthz',
      summary: 'The process is alive',
      access: { open: forProbes },
      uncounted: true,
      handle: () => jsonReply({ status: 'ok' }),
    },
    {
      method: 'GET',
      path: '/readyz',
      summary: 'Ready after the first sync of every source; else 503 with what it waits for',
      access: { open: forProbes },
      uncounted: true,
      handle: () => {
        const { ready, waitingFor } = control.status();
        return jsonReply({ ready, waitingFor }, ready ? 200 : 503);
      },
    },
    {
      method: 'GET',
      path: '/metrics',
      summary: 'Prometheus metrics of the control plane',
      access: scraping,
      handle: async () => deps.metrics.expose(),
    },
    {
      method: 'GET',
      path: '/sd/prometheus',
      summary: 'http_sd targets: this control plane and the stats listener of every connected proxy',
      access: scraping,
      handle: ({ host }) =>
        jsonReply(prometheusTargets({ self: host, node: deps.node, proxies: control.status().proxies })),
    },
    {
      method: 'GET',
      path: '/api/v1/version',
      summary: 'Version of the server',
      access: { open: 'clients ask before they have a token' },
      handle: () => jsonReply({ version: deps.version, node: deps.node }),
    },
    {
      method: 'GET',
      path: '/api/v1/status',
      summary: 'Sources, services, proxies, rejections and problems',
      access: 'reading',
      handle: () => jsonReply(control.status()),
    },
    {
      method: 'GET',
      path: '/api/v1/problems',
      summary: 'What is wrong in objects and registries',
      access: 'reading',
      handle: () => jsonReply(control.status().problems),
    },
    {
      method: 'GET',
      path: '/api/v1/proxies',
      summary: 'Every proxy',
      access: 'reading',
      handle: () => jsonReply(control.status().proxies),
    },
    {
      method: 'GET',
      path: '/api/v1/proxies/:node',
      summary: 'One proxy',
      access: 'reading',
      params: nodeParams,
      handle: ({ params }) => jsonReply(proxyOf(params)),
    },
    {
      method: 'GET',
      path: '/api/v1/proxies/:node/resources',
      summary: 'What a connected proxy is to have, by type, as Envoy JSON',
      access: 'reading',
      params: nodeParams,
      handle: ({ params }) => {
        const { node } = proxyOf(params);
        const view = control.viewOf(node);
        if (view === undefined) throw new Fault(404, 'CH1703', `proxy "${node}" is not connected`);
        const resources: Record<string, unknown[]> = {};
        const add = (type: TypeUrl, name: string): void => {
          const resource = view.get(type, name);
          if (resource === undefined) return;
          const shown = {
            name,
            version: resource.version,
            provenance: resource.provenance,
            resource: deps.decode(resource),
          };
          resources[shortNames[type]] = [...(resources[shortNames[type]] ?? []), shown];
        };
        // Endpoints are one table for all views; a proxy subscribes to those its clusters name.
        for (const type of Object.values(typeUrls))
          if (type !== typeUrls.endpoints) for (const name of view.names(type)) add(type, name);
        const named = [...view.names(typeUrls.cluster)].flatMap((name) => view.get(typeUrls.cluster, name)?.deps ?? []);
        for (const name of new Set(named.flatMap((dep) => (dep.type === typeUrls.endpoints ? [dep.name] : []))))
          add(typeUrls.endpoints, name);
        return jsonReply({ node, view: view.id, resources });
      },
    },
    {
      method: 'GET',
      path: '/api/v1/proxies/:node/state',
      summary: 'How far a connected proxy is with each resource: synced, stale, not sent, or refused and why',
      access: 'reading',
      params: nodeParams,
      handle: async ({ params }) => {
        const { node } = proxyOf(params);
        const streams = await deps.streamsOf(node);
        return jsonReply({ node, resources: streams.flatMap(({ resources }) => resources.map(resourceState)) });
      },
    },
    {
      method: 'GET',
      path: '/api/v1/load',
      summary: 'Requests, failures and drops by cluster and locality, as proxies report them',
      access: 'reading',
      handle: () => jsonReply(control.load()),
    },
    ...createObjectRoutes(control),
    ...createTrustRoutes(deps.trust, deps.clock),
    ...createAccessRoutes(deps.accessTokens),
    {
      method: 'GET',
      path: '/api/v1/events',
      summary: 'Server-sent events: worlds, acknowledgements, rejections, sources, problems',
      access: 'reading',
      handle: { stream: (response, signal) => streamEvents(deps, response, signal) },
    },
    {
      method: 'GET',
      path: '/api/v1/log-level',
      summary: 'Log levels by component',
      access: 'reading',
      handle: () => jsonReply(deps.logLevels.levels()),
    },
    {
      method: 'PUT',
      path: '/api/v1/log-level',
      summary: 'Change a log level until the next start',
      access: 'operating',
      body: {
        contentTypes: ['application/json'],
        description: '{"level": "debug", "component": "xds"}; without component, all',
      },
      handle: ({ body }) => {
        let parsed: unknown;
        try {
          parsed = JSON.parse(body);
        } catch {
          throw new Fault(400, 'CH1704', 'the body is not JSON');
        }
        const { level, component } = read(levelBody, parsed);
        deps.logLevels.setLevel(level, component);
        return changed({ level, component }, deps.logLevels.levels());
      },
    },
  ];
}
