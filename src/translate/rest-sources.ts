// Resources as a proxy without a stream can use them: what they name is polled for too.
// It must not know who asks. Invariant: nothing else of a resource is changed.
import type { ConfigSourceJson } from '../gen/envoy/config/core/v3/config_source_pb.js';
import { bootstrapClusters } from './cluster-names.ts';

/** Where a proxy polls. Polls are held until something changes, so that a short delay between them costs little. */
export const restSource: NonNullable<ConfigSourceJson['apiConfigSource']> = {
  apiType: 'REST',
  transportApiVersion: 'V3',
  clusterNames: [bootstrapClusters.xds],
  refreshDelay: '0.5s',
  requestTimeout: '10s',
};

/** A copy of a resource in proto3 JSON whose config sources say `apiConfigSource` (REST) where they said `ads`. */
export function restSources(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(restSources);
  if (json === null || typeof json !== 'object') return json;
  const { ads, ...rest } = json as Readonly<Record<string, unknown>>;
  const copy = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, restSources(value)]));
  return isAds(ads) ? { ...copy, apiConfigSource: restSource } : ads === undefined ? copy : { ...copy, ads };
}

/** AggregatedConfigSource has no fields. */
function isAds(value: unknown): boolean {
  return value !== null && typeof value === 'object' && Object.keys(value).length === 0;
}
