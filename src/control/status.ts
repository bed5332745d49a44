// The status report: reads the ledger, the World and the holds, and says it in one structure for CLI, API and console.
// It changes nothing.

import { plaintextReport } from '../model/mtls.ts';
import type { Principal } from '../model/principal.ts';
import type { Problem } from '../model/problem.ts';
import type { World } from '../model/world.ts';
import type { Clock } from '../util/clock.ts';
import type { ClientInfo } from '../xds/contract.ts';
import { isGrpcLibrary } from '../xds/node.ts';
import type { ControlStatus, ProxyStatus, Rejection, TypeStatus, WithoutSidecar } from './contract.ts';
import { type Claims, readClaims } from './identify.ts';
import { type Ledger, refusals, revisionOf, type StreamRecord } from './ledger.ts';
import type { Hold } from './pipeline.ts';
import { groupRefusals } from './refusals.ts';
import type { OpenView } from './views.ts';

export interface StatusInput {
  readonly clock: Clock;
  readonly world: World | undefined;
  /** The last World that is published whole. */
  readonly publishedRevision: number;
  readonly waitingFor: readonly string[];
  readonly ledger: Ledger;
  readonly viewOf: (streamId: number) => OpenView | undefined;
  readonly rejections: readonly Rejection[];
  readonly problems: readonly Problem[];
  readonly holds: readonly Hold[];
}

/** `published`: the newest World, which a proxy in sync has taken whole. */
function stateOf(
  records: readonly StreamRecord[],
  refused: boolean,
  { revision, published }: { readonly revision: number; readonly published: number },
): ProxyStatus['state'] {
  if (refused) return 'rejecting';
  return records.every((record) => record.unsettledSinceMs === undefined) && revision === published && revision > 0
    ? 'synced'
    : 'pending';
}

interface Noted {
  readonly refused: readonly { readonly type: string; readonly message: string }[];
  readonly open: OpenView | undefined;
  /** Instance of a sidecar, as claimed. */
  readonly instance: string;
  readonly world: World | undefined;
  readonly principal: Principal | undefined;
  readonly nowMs: number;
}

/** A credential with less than this share of its life left is told of: `chancery renew` replaces it at half. */
const leastLeft = 0.25;

/** Refusals in one note; the rest is in the rejections. */
const maxTold = 3;

function noteOf({ refused, open, instance, world, principal, nowMs }: Noted): string {
  if (refused.length > 0) {
    const told = refused.slice(0, maxTold).map(({ type, message }) => `${type}: ${message}`);
    return [...told, ...(refused.length > maxTold ? [`and ${refused.length - maxTold} more`] : [])].join('; ');
  }
  if (isOverdue(principal, nowMs))
    return `its credential ends ${new Date(principal.notAfterMs).toISOString().slice(0, 16)}Z: run \`chancery renew\` on its machine`;
  const profile = open?.profile;
  if (profile?.role !== 'sidecar') return '';
  if (world?.services.has(profile.service) === false)
    return `service "${profile.service}" is in no registry and no object`;
  if (profile.inbound.length === 0)
    return `no sidecar is registered for instance "${instance}", so it has no inbound listener`;
  if (world?.endpoints.get(profile.service)?.some(({ id, proxy }) => id === instance && proxy !== undefined) !== true)
    return `instance "${instance}" has left the registry; it answers who has not heard of it, until it connects anew`;
  return '';
}

/** Of credentials of ours; those of others are renewed by others. */
function isOverdue(principal: Principal | undefined, nowMs: number): principal is Principal {
  if (principal?.issuedAtMs === undefined) return false;
  const { issuedAtMs, notAfterMs } = principal;
  return notAfterMs - nowMs < leastLeft * (notAfterMs - issuedAtMs);
}

function roleOf(client: ClientInfo, claims: Claims): ProxyStatus['role'] {
  return isGrpcLibrary(client) ? 'proxyless' : (claims.role ?? 'gateway');
}

function userAgentOf(client: ClientInfo): Pick<ProxyStatus, 'userAgent'> {
  return isGrpcLibrary(client) ? { userAgent: client.userAgentName } : {};
}

/** The worse first. */
const states = ['rejected', 'pending', 'acked', 'none'] as const satisfies readonly TypeStatus['state'][];

/** The streams of one node as one: an Envoy may have one a type, and grpc-go has one for each target it calls. */
function together(streams: readonly Readonly<Record<string, TypeStatus>>[]): Record<string, TypeStatus> {
  const all: Record<string, TypeStatus> = {};
  for (const types of streams)
    for (const [type, status] of Object.entries(types)) {
      const known = all[type];
      all[type] =
        known === undefined
          ? status
          : {
              ...known,
              ...status,
              state: states.find((state) => state === known.state || state === status.state) ?? status.state,
              resources: known.resources + status.resources,
              pushes: known.pushes + status.pushes,
              rejections: known.rejections + status.rejections,
            };
    }
  return all;
}

function proxyOf(node: string, records: readonly StreamRecord[], input: StatusInput): ProxyStatus {
  const [first] = records;
  if (first === undefined) throw new Error(`no stream of ${node}`);
  const open = input.viewOf(first.client.streamId);
  const claims = readClaims(first.client);
  const revision = Math.min(...records.map((record) => revisionOf(record, input.publishedRevision)));
  const profile = open?.profile;
  const issued = open?.issued();
  const { principal } = first.client;
  const refused = records.flatMap((record) => refusals(record, open?.view));
  return {
    node,
    role: profile?.role ?? roleOf(first.client, claims),
    service: (profile?.role === 'gateway' ? profile.gateway : profile?.service) ?? first.client.nodeCluster,
    state: stateOf(records, refused.length > 0, { revision, published: input.world?.revision ?? 0 }),
    envoyVersion: first.client.userAgentVersion,
    ...userAgentOf(first.client),
    variant: first.variant,
    peer: first.client.peer,
    view: open?.view.id ?? '',
    revision,
    sinceMs: Math.max(...records.map((record) => record.sinceMs)),
    types: together(records.map((record) => input.ledger.typeStatus(record, open?.view))),
    note: noteOf({
      ...{ refused, open, instance: claims.instance ?? node, world: input.world },
      ...{ principal, nowMs: input.clock.wall() },
    }),
    ...(claims.stats === undefined ? {} : { stats: claims.stats }),
    ...(principal === undefined ? {} : { credential: principal.credential }),
    ...(issued === undefined ? {} : { certificateEndsMs: issued.notAfterMs }),
    ...(isOverdue(principal, input.clock.wall()) ? { credentialEndsMs: principal.notAfterMs } : {}),
  };
}

/** Instances that are named; the numbers are whole. */
const maxNamed = 5;

/** Whether `strict` is safe, and for whom it is not. Undefined where no certificates are issued. */
function withoutSidecar(world: World | undefined): WithoutSidecar | undefined {
  if (world?.mesh.certificates !== true) return undefined;
  const found = plaintextReport(world).filter(({ withheldInStrict }) => withheldInStrict);
  const withheld = found.filter(({ mtls }) => mtls === 'strict');
  const reached = found.filter(({ mtls }) => mtls !== 'strict');
  const number = (list: typeof found): number => list.reduce((sum, { plaintext }) => sum + plaintext.length, 0);
  const some: string[] = [];
  for (const { service, plaintext } of [...withheld, ...reached])
    for (const { id } of plaintext.slice(0, maxNamed - some.length)) some.push(`${service}/${id}`);
  return { mtls: world.mesh.mtls, withheld: number(withheld), plaintext: number(reached), some };
}

/** The whole report, made on demand. */
export function statusReport(input: StatusInput): ControlStatus {
  const { world, ledger, clock } = input;
  const byNode = new Map<string, StreamRecord[]>();
  for (const record of ledger.streams())
    byNode.set(record.client.nodeId, [...(byNode.get(record.client.nodeId) ?? []), record]);
  const online = [...byNode].map(([node, records]) => proxyOf(node, records, input));
  const offline = [...ledger.offline()].map(({ client, variant, revision, sinceMs }): ProxyStatus => {
    const claims = readClaims(client);
    return {
      node: client.nodeId,
      role: roleOf(client, claims),
      service: claims.service ?? claims.gateway ?? client.nodeCluster,
      state: 'offline',
      envoyVersion: client.userAgentVersion,
      ...userAgentOf(client),
      variant,
      peer: client.peer,
      view: '',
      revision,
      sinceMs,
      types: {},
      note: 'no stream; it keeps serving what it had',
    };
  });
  const services = [...(world?.services.values() ?? [])].map(({ id, tls }) => {
    const count = { id, healthy: 0, warning: 0, critical: 0 };
    const instances = world?.endpoints.get(id) ?? [];
    for (const instance of instances) count[instance.health]++;
    if (world?.mesh.certificates !== true) return count;
    const sidecars = instances.filter(({ proxy }) => proxy !== undefined).length;
    return { ...count, sidecars, ...(tls === 'mesh' ? {} : { tls }) };
  });
  const toWall = clock.wall() - clock.now();
  const sidecarless = withoutSidecar(world);
  const ends = online.flatMap(({ certificateEndsMs }) => (certificateEndsMs === undefined ? [] : [certificateEndsMs]));
  return {
    revision: world?.revision ?? 0,
    ready: world !== undefined,
    waitingFor: input.waitingFor,
    sources: [...(world?.sources.values() ?? [])],
    services,
    proxies: [...online, ...offline].sort((a, b) => (a.node < b.node ? -1 : a.node > b.node ? 1 : 0)),
    rejections: input.rejections,
    refusals: groupRefusals(ledger.streams(), input.viewOf),
    problems: input.problems,
    held: input.holds.map(({ source, reason, untilMs }) => ({
      source,
      reason,
      untilMs: untilMs === undefined ? 0 : Math.round(untilMs + toWall),
    })),
    ...(sidecarless === undefined ? {} : { withoutSidecar: sidecarless }),
    ...(ends.length === 0 ? {} : { certificatesHoldMs: ends.reduce((least, one) => Math.min(least, one)) }),
  };
}
