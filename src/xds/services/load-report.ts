// Reads envoy.service.load_stats.v3.LoadStatsRequest into plain counts, and writes the answer to it.
// It must not know who counts them. Invariant: bounded work; what is not a message throws WireError.
import type { ClusterLoad, LocalityLoad } from '../contract.ts';
import { eachField, WireError } from '../wire.ts';
import { field, number as numberField } from '../wire-writer.ts';

type Range = readonly [number, number];

/** Clusters and localities of one report together. */
const maxRows = 50_000;
const maxTextBytes = 1024;

export interface LoadRequest {
  /** The encoded Node, if the message has one. */
  readonly node: Buffer | undefined;
  readonly clusters: readonly ClusterLoad[];
}

/** LoadStatsRequest { 1 node, 2 cluster_stats }. Throws WireError. */
export function decodeLoadRequest(bytes: Buffer): LoadRequest {
  let node: Buffer | undefined;
  const clusters: ClusterLoad[] = [];
  const budget = { left: maxRows };
  eachField(bytes, [0, bytes.length], ({ number, wireType, start, end }) => {
    if (wireType !== 2) return;
    if (number === 1) node = bytes.subarray(start, end);
    else if (number === 2) clusters.push(decodeCluster(bytes, [start, end], budget));
  });
  return { node, clusters };
}

/** ClusterStats { 1 cluster_name, 2 upstream_locality_stats, 3 total_dropped_requests, 4 load_report_interval }. */
function decodeCluster(bytes: Buffer, range: Range, budget: { left: number }): ClusterLoad {
  spend(budget);
  let cluster = '';
  let dropped = 0;
  let intervalMs = 0;
  const localities: LocalityLoad[] = [];
  eachField(bytes, range, ({ number, wireType, value, start, end }) => {
    if (number === 3 && wireType === 0) dropped = value;
    if (wireType !== 2) return;
    if (number === 1) cluster = readText(bytes, [start, end]);
    else if (number === 2) {
      spend(budget);
      localities.push(decodeLocality(bytes, [start, end]));
    } else if (number === 4) intervalMs = decodeDuration(bytes, [start, end]);
  });
  return { cluster, localities, dropped, intervalMs };
}

/** UpstreamLocalityStats { 1 locality, 2 successful, 3 in_progress, 4 error, 8 issued }. */
function decodeLocality(bytes: Buffer, range: Range): LocalityLoad {
  const names = ['', '', ''];
  const counts = { succeeded: 0, active: 0, failed: 0, issued: 0 };
  eachField(bytes, range, ({ number, wireType, value, start, end }) => {
    if (number === 1 && wireType === 2)
      eachField(bytes, [start, end], (part) => {
        if (part.wireType === 2 && part.number <= 3) names[part.number - 1] = readText(bytes, [part.start, part.end]);
      });
    else if (wireType !== 0) return;
    else if (number === 2) counts.succeeded = value;
    else if (number === 3) counts.active = value;
    else if (number === 4) counts.failed = value;
    else if (number === 8) counts.issued = value;
  });
  return { region: names[0] ?? '', zone: names[1] ?? '', subZone: names[2] ?? '', ...counts };
}

function decodeDuration(bytes: Buffer, range: Range): number {
  let ms = 0;
  eachField(bytes, range, ({ number, wireType, value }) => {
    if (wireType !== 0) return;
    if (number === 1) ms += value * 1000;
    else if (number === 2) ms += value / 1e6;
  });
  return ms;
}

function spend(budget: { left: number }): void {
  if (--budget.left < 0) throw new WireError(`a load report has more than ${maxRows} rows`);
}

function readText(bytes: Buffer, [start, end]: Range): string {
  if (end - start > maxTextBytes) throw new WireError(`a name is longer than ${maxTextBytes} bytes`);
  return bytes.toString('utf8', start, end);
}

/**
 * LoadStatsResponse { 1 clusters, 2 load_reporting_interval, 4 send_all_clusters }; endpoints one by one are not asked for.
 * `clusters`: undefined asks for all.
 */
export function encodeLoadResponse(clusters: readonly string[] | undefined, intervalMs: number): Buffer {
  const seconds = Math.floor(intervalMs / 1000);
  return Buffer.concat([
    ...(clusters ?? []).map((name) => field(1, name)),
    field(2, [numberField(1, seconds), numberField(2, Math.round((intervalMs - seconds * 1000) * 1e6))]),
    numberField(4, clusters === undefined ? 1 : 0),
  ]);
}
