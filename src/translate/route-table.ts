// Route configurations from virtual hosts that are encoded once per group and kind of view, and put together by copying.
// It must not know listeners. Invariant: views that see the same routes share the very bytes.

import type { VirtualHostJson } from '../gen/envoy/config/route/v3/route_components_pb.js';
import { createProblem, type Problem } from '../model/problem.ts';
import type { Provenance } from '../model/provenance.ts';
import { type Encoder, noProvenance } from '../resources/encode.ts';
import type { Resource } from '../resources/resource.ts';
import { encodeRouteConfiguration, virtualHostField } from '../resources/route-configuration.ts';
import { typeUrls } from '../resources/type-urls.ts';
import type { HostGroup, HostGroups } from './host-groups.ts';
import { admittedHosts, isOwn } from './host-match.ts';
import { countRun, createKeyedMemo, type Ran } from './memo.ts';
import { unsentHeader } from './retry.ts';
import { type ViewFilter, type VirtualHostParts, virtualHost } from './virtual-hosts.ts';

export interface RouteConfiguration {
  readonly resource: Resource;
  readonly problems: readonly Problem[];
}

interface Chunk {
  /** As `virtualHostField` gives it; empty when nothing could be encoded. */
  readonly bytes: Uint8Array;
  readonly clusters: readonly string[];
  readonly provenance: readonly Provenance[];
  readonly problems: readonly Problem[];
}

/** What a listener, or one of several chains of a listener, answers for. */
export interface Admitted {
  /** Empty: all. */
  readonly hosts: readonly string[];
  /** Hosts of other chains: not this one's, where they are the narrower ones. */
  readonly taken?: readonly string[];
  /** What answers here for hosts that are not its own. */
  readonly rest?: VirtualHostJson | undefined;
}

export interface RouteTable {
  /** All groups as one configuration. */
  configuration(name: string, groups: HostGroups, filter: ViewFilter, admitted: Admitted): RouteConfiguration;
  /** One group under every host. */
  single(name: string, group: HostGroup, filter: ViewFilter): RouteConfiguration;
  /** One virtual host made elsewhere. */
  fixed(name: string, json: VirtualHostJson, clusters: readonly string[]): RouteConfiguration;
  sweep(): void;
}

/** How one kind of client reads routes. */
export interface RouteShape {
  /** In the counters. */
  readonly stage: string;
  readonly host: typeof virtualHost;
  /** Headers of answers that are said between proxies; no client and no application is to see or say them. */
  readonly hidden: readonly string[];
}

export const envoyRoutes: RouteShape = { stage: 'virtual hosts', host: virtualHost, hidden: [unsentHeader] };

export function createRouteTable(encoder: Encoder, ran: Ran, shape: RouteShape = envoyRoutes): RouteTable {
  const chunks = new WeakMap<HostGroup, Map<string, Chunk | undefined>>();
  const whole = new WeakMap<HostGroups, Map<string, RouteConfiguration>>();
  const assembled = createKeyedMemo<RouteConfiguration>(ran, 'route configurations');
  const fixedHosts = createKeyedMemo<Chunk>(ran, 'fixed virtual hosts');

  /** Encoded whole; where Envoy would refuse it, without the routes that are to blame. */
  function encode({ json, origins, clusters, problems }: VirtualHostParts, provenance: readonly Provenance[]): Chunk {
    const at = provenance[0] ?? noProvenance;
    const bytes = (routes: VirtualHostJson['routes']) =>
      encoder.bytes(
        typeUrls.virtualHost,
        { ...json, routes: routes ?? [] },
        { what: `virtual host "${json.name}"`, at },
      );
    const first = bytes(json.routes);
    if (first.ok) return { bytes: virtualHostField(first.value), clusters, provenance, problems };
    const found: Problem[] = [];
    const good = (json.routes ?? []).filter((route, index) => {
      const alone = bytes([route]);
      if (!alone.ok)
        found.push(
          createProblem('CH1221', origins[index] ?? at, `rule "${route.name ?? ''}": ${alone.problem.message}`),
        );
      return alone.ok;
    });
    const second = bytes(good);
    return {
      bytes: second.ok ? virtualHostField(second.value) : new Uint8Array(0),
      clusters,
      provenance,
      problems: [...problems, ...found, ...(second.ok ? [] : [second.problem])],
    };
  }

  function chunk(group: HostGroup, domains: readonly string[], filter: ViewFilter): Chunk | undefined {
    const caller = filter.caller !== undefined && group.callers.has(filter.caller) ? filter.caller : '';
    const everywhere = !group.limited && caller === '' && domains === group.hosts;
    const key = everywhere ? '' : [group.limited ? filter.gateway : '', caller, ...domains].join(' ');
    let ofGroup = chunks.get(group);
    if (ofGroup === undefined) {
      ofGroup = new Map();
      chunks.set(group, ofGroup);
    }
    if (ofGroup.has(key)) return ofGroup.get(key);
    countRun(ran, shape.stage);
    const parts = shape.host(group, domains, filter);
    const provenance = [
      ...group.routes.map((route) => route.provenance),
      ...(group.service === undefined ? [] : group.service.provenance),
    ];
    const made = parts === undefined ? undefined : encode(parts, provenance);
    ofGroup.set(key, made);
    return made;
  }

  function assemble(name: string, key: string, parts: readonly Chunk[]): RouteConfiguration {
    return assembled.get(`${name} ${key}`, parts, () => {
      encoder.count(typeUrls.routes);
      const used = parts.filter(({ bytes }) => bytes.length > 0);
      const clusters = new Set(used.flatMap((part) => part.clusters));
      const resource = encoder.record(
        { type: typeUrls.routes, name },
        encodeRouteConfiguration({
          name,
          virtualHosts: used.map(({ bytes }) => bytes),
          responseHeadersToRemove: shape.hidden,
        }),
        {
          deps: [...clusters].map((cluster) => ({ type: typeUrls.cluster, name: cluster })),
          provenance: [...new Set(used.flatMap((part) => part.provenance))],
        },
      );
      return { resource, problems: parts.flatMap(({ problems }) => problems) };
    });
  }

  function fixedChunk(json: VirtualHostJson, clusters: readonly string[]): Chunk {
    return fixedHosts.get(JSON.stringify(json), [], () => encode({ json, origins: [], clusters, problems: [] }, []));
  }

  return {
    configuration(name, groups, filter, { hosts, taken = [], rest }) {
      const limited = groups.limited ? filter.gateway : '';
      const caller = filter.caller !== undefined && groups.callers.has(filter.caller) ? filter.caller : '';
      const key = [limited, caller, ...hosts, '', ...taken].join(' ');
      let known = whole.get(groups);
      if (known === undefined) {
        known = new Map();
        whole.set(groups, known);
      }
      const full = `${name} ${key}`;
      let made = known.get(full);
      if (made === undefined) {
        const parts = [...admittedHosts(groups, hosts)].flatMap(([group, domains]) => {
          const own = taken.length === 0 ? domains : domains.filter((domain) => isOwn(domain, hosts, taken));
          return own.length === 0 ? [] : (chunk(group, own.length === domains.length ? domains : own, filter) ?? []);
        });
        if (rest !== undefined) parts.push(fixedChunk(rest, []));
        made = assemble(name, key, parts);
        known.set(full, made);
      }
      return made;
    },
    single(name, group, filter) {
      const part = chunk(group, ['*'], filter);
      const caller = filter.caller !== undefined && group.callers.has(filter.caller) ? filter.caller : '';
      return assemble(name, `${filter.gateway} ${caller}`, part === undefined ? [] : [part]);
    },
    fixed(name, json, clusters) {
      return assemble(name, JSON.stringify(json), [fixedChunk(json, clusters)]);
    },
    sweep() {
      assembled.sweep();
      fixedHosts.sweep();
    },
  };
}
