// One lap of a case: a server started, a fleet connected, changes made one after another (or in a storm), everything
// weighed, and the gate: every proxy ends with what the store holds, every response answered, nobody lost.
// Invariant: a lap that fails its gate throws; its figures are not looked at.

import { typeUrls } from '../../src/resources/type-urls.ts';
import { serviceName } from '../../test/support/plane.ts';
import { percentile } from '../table.ts';
import type { Commands } from './client-commands.ts';
import type { LoadClient } from './client-process.ts';
import type { BenchServer } from './server-process.ts';

/** A case: what is in the store, who connects, and what happens then. */
export interface Case {
  readonly services: number;
  readonly type: 'endpoints' | 'cluster';
  readonly variant: 'delta' | 'sotw';
  readonly proxies: number;
  /** Names each proxy subscribes to; 0: wildcard. */
  readonly each: number;
  readonly choice: 'same' | 'spread';
  readonly tls: boolean;
  readonly workers: number;
  readonly ownViews: boolean;
  /** Pushes before anything is measured: a control plane runs for weeks, its first second is none of its speed. */
  readonly warmUpPushes: number;
  /** Changes one after another. */
  readonly changes: number;
  /** `floodPerSecond`: changes offered, whatever was received of the others; then, never more than `open` under way. */
  readonly storm?: {
    readonly floodPerSecond: number;
    readonly open: number;
    readonly durationMs: number;
    readonly stalled: number;
  };
}

/** Undefined members: not part of the case. */
export interface Lap {
  readonly connectWallMs: number;
  readonly connectCpuMs: number;
  readonly connectBytes: number;
  /** Connections that were reset before they were served, and tried again. */
  readonly connectRetries: number;
  readonly baseKb: number;
  readonly kbPerProxy: number;
  /** CPU of the server a receipt, its ACK included, µs. */
  readonly cpuPerPushUs?: number;
  readonly cpuPerChangeMs?: number;
  readonly firstMs?: number;
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  /** Median over the changes of the time to the last proxy. */
  readonly lastMs?: number;
  /** Receipts that a later change swallowed, of all. */
  readonly merged?: number;
  /** Size of a push on the wire, gRPC and HTTP/2 framing not counted. */
  readonly pushBytes?: number;
  /** Offered more than it can take: changes a second until all had everything. */
  readonly floodPerSecond?: number;
  /** Never more than some under way: changes a second that reached all. */
  readonly changesPerSecond?: number;
  readonly stormP99Ms?: number;
  readonly stormCpuPerPushUs?: number;
  /** By how much the live memory of our server grew in the storm, KB. */
  readonly stormGrowthKb?: number;
}

const deadlineMs = 60_000;
/** The least time from the last receipt of a change to the next change; it is longer until the server does nothing. */
const gapMs = 300;

export interface LapParts {
  readonly server: BenchServer;
  readonly client: LoadClient;
  /** PEM, for TLS. */
  readonly ca?: string;
  /** The fleet stays connected, and will connect again. */
  readonly keepOpen?: boolean;
  /** Takes CPU profiles of our server, by phase: JSON of `Profile`. */
  readonly onProfile?: (phase: 'connect' | 'changes' | 'storm', profile: string) => void;
}

/** Runs `work` under a CPU profile where one is asked for. */
async function profiled<T>(
  phase: 'connect' | 'changes' | 'storm',
  { server, onProfile }: LapParts,
  work: () => Promise<T>,
): Promise<T> {
  if (onProfile === undefined) return work();
  await server.profile();
  const result = await work();
  onProfile(phase, await server.profile());
  return result;
}

/** Throws with the end of the server's log. */
export async function runLap(of: Case, parts: LapParts): Promise<Lap> {
  try {
    return await lap(of, parts);
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${said}\nthe server's log ends:\n${parts.server.logs()}`, { cause });
  }
}

async function lap(of: Case, parts: LapParts): Promise<Lap> {
  const { server, client, ca } = parts;
  const names = Array.from({ length: of.services }, (_, k) => serviceName(k));
  const baseKb = await server.rssKb();
  const cpuBefore = server.cpuMs();
  const { wallMs, bytes, messages, retries } = await profiled('connect', parts, async () => {
    const connected = await client.ask('connect', {
      deadlineMs,
      fleet: {
        port: server.xdsPort,
        ...(ca === undefined ? {} : { ca }),
        ...{ variant: of.variant, typeUrl: typeUrls[of.type], proxies: of.proxies, names, each: of.each },
        ...{ choice: of.choice, ownViews: of.ownViews, keepsVersions: parts.keepOpen === true },
      },
    });
    await server.settled();
    return connected;
  });
  const connectCpuMs = server.cpuMs() - cpuBefore;
  const kbPerProxy = ((await server.rssKb()) - baseKb) / of.proxies;
  const measured = {
    ...{ connectWallMs: wallMs, connectCpuMs, connectBytes: bytes, connectRetries: retries, baseKb, kbPerProxy },
    ...(of.changes > 0 ? await changes(of, parts) : {}),
    ...(of.storm === undefined ? {} : await storm(of, of.storm, parts)),
  };
  const total = await gate(of, server, client);
  if (parts.keepOpen !== true) await client.ask('close', null);
  const pushes = total.messages - messages;
  return { ...measured, ...(pushes === 0 ? {} : { pushBytes: (total.bytes - bytes) / pushes }) };
}

/** How many proxies a change of one name reaches. */
function receivers(of: Case): number {
  return of.choice === 'spread' ? of.proxies / Math.ceil(of.services / of.each) : of.proxies;
}

async function changes(of: Case, parts: LapParts): Promise<Partial<Lap>> {
  const { server, client } = parts;
  const proxies = receivers(of);
  const subscribed = of.each === 0 || of.choice === 'spread' ? of.services : of.each;
  const change = async (seq: number, restMs: number): Promise<number[]> => {
    const k = (seq * 7) % subscribed;
    const { latencies } = await client.ask('change', {
      url: server.url(`/update?type=${of.type}&k=${k}&seq=${seq}`),
      ...(of.variant === 'delta' ? { name: serviceName(k) } : {}),
      proxies,
      deadlineMs: 20_000,
    });
    if (latencies.length === 0) throw new Error(`GATE FAILED: change ${seq} of ${serviceName(k)} reached no proxy`);
    await server.settled(restMs);
    return latencies;
  };
  const warmUps = Math.min(100, Math.ceil(of.warmUpPushes / proxies));
  for (let seq = 1; seq <= warmUps; seq++) await change(seq, 20);
  const all: number[][] = [];
  const before = server.cpuMs();
  await profiled('changes', parts, async () => {
    for (let i = 1; i <= of.changes; i++) all.push(await change(warmUps + i, gapMs));
  });
  const cpu = server.cpuMs() - before;
  const latencies = all.flat();
  const median = (pick: (receipts: number[]) => number): number => percentile(all.map(pick), 50);
  return {
    cpuPerPushUs: (cpu * 1000) / latencies.length,
    cpuPerChangeMs: cpu / of.changes,
    firstMs: median((receipts) => receipts[0] ?? Number.NaN),
    lastMs: median((receipts) => receipts.at(-1) ?? Number.NaN),
    p50Ms: percentile(latencies, 50),
    p99Ms: percentile(latencies, 99),
    merged: proxies * of.changes - latencies.length,
  };
}

async function storm(
  of: Case,
  { floodPerSecond, open, durationMs, stalled }: NonNullable<Case['storm']>,
  parts: LapParts,
): Promise<Partial<Lap>> {
  const { server, client } = parts;
  const all = receivers(of);
  // Those that stall are the last of the fleet, as many in every group.
  const proxies = all - (stalled * all) / of.proxies;
  const names = of.choice === 'spread' ? of.services : of.each;
  const ask = { url: server.url(`/update?type=${of.type}`), names, proxies };
  // Both are warm, and the connections of the driver open, when the clock starts.
  await client.ask('storm', { ...ask, open, proxies: all, firstSeq: 100, durationMs: 2000 });
  const flood = { ...ask, proxies: all, perSecond: floodPerSecond, durationMs, firstSeq: 20_000 };
  const flooded = await client.ask('flood', flood);
  if (flooded.lost > 0) throw new Error(`${flooded.lost} changes of the flood did not reach every proxy`);
  await server.settled();
  const liveBefore = await server.liveKb();
  await client.ask('stall', { count: stalled });
  const cpuBefore = server.cpuMs();
  const result = await profiled('storm', parts, () =>
    client.ask('storm', { ...ask, open, firstSeq: 10_000, durationMs }),
  );
  const cpu = server.cpuMs() - cpuBefore;
  if (result.lost > 0) throw new Error(`${result.lost} changes did not reach every proxy`);
  const liveAfter = await server.liveKb();
  await client.ask('stall', { count: 0 });
  await server.settled(500);
  return {
    floodPerSecond: flooded.changes / flooded.seconds,
    changesPerSecond: result.changes / result.seconds,
    stormP99Ms: result.p99,
    stormCpuPerPushUs: (cpu * 1000) / result.resources,
    ...(liveBefore === undefined || liveAfter === undefined ? {} : { stormGrowthKb: liveAfter - liveBefore }),
  };
}

/** Throws unless every proxy holds what the store holds, and nothing is pending or lost; gives the client's counters. */
export async function gate(
  of: Case,
  server: BenchServer,
  client: LoadClient,
): Promise<Commands['differences']['answer']> {
  const start = performance.now();
  for (;;) {
    await server.settled(100);
    const { resources, pending, streams } = await server.state();
    const found = await client.ask('differences', { store: resources[typeUrls[of.type]] ?? {} });
    if (found.proxies === 0 && found.lost === 0 && pending === 0 && streams === of.proxies) return found;
    if (performance.now() - start < 10_000 && found.lost === 0) continue;
    throw new Error(
      `GATE FAILED: ${found.proxies} of ${of.proxies} proxies differ from the store, ${found.lost} connections lost, ` +
        `${pending} pending, ${streams} streams\n${found.examples.join('\n')}`,
    );
  }
}
