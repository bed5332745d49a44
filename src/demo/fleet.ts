// The demo's Envoys: one edge and a sidecar beside each instance, each on a bootstrap as `chancery bootstrap` prints it, with
// a credential of its own.
// It knows no service's code and no registry. Invariant: an Envoy that ended is told with its log, not waited for.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ControlStatus } from '../control/contract.ts';
import { type BootstrapOptions, bootstrap } from '../translate/bootstrap.ts';
import type { Clock } from '../util/clock.ts';
import { AppError } from '../util/errors.ts';
import type { Child, Children } from './children.ts';
import type { Credentials, Owner } from './credentials.ts';
import type { Ports } from './ports.ts';
import type { Application } from './services.ts';

export interface ProxyPlace {
  readonly node: string;
  readonly admin: number;
  readonly stats: number;
}

export interface SidecarPlan {
  readonly application: Application;
  readonly inbound: number;
  readonly outbound: number;
  readonly upstream?: number;
}

const settleDeadlineMs = 30_000;

export interface FleetMember {
  readonly place: ProxyPlace;
  readonly child: Child;
}

export interface FleetPlan {
  readonly envoy: string;
  readonly directory: string;
  readonly children: Children;
  readonly ports: Ports;
  readonly far: number;
  readonly xds: number;
  readonly logs: string;
  readonly sidecars: readonly SidecarPlan[];
  readonly credentials: Pick<Credentials, 'forNode'>;
}

type Role = Pick<BootstrapOptions, 'role' | 'service' | 'gateway' | 'instance' | 'outbound' | 'upstreams'>;

const local = (port: number) => ({ address: '127.0.0.1', port });

/** Launches the edge and one sidecar for each plan; none where one of them has no credential. */
export async function startFleet(plan: FleetPlan): Promise<readonly FleetMember[]> {
  const prepare = async (place: ProxyPlace, owner: Owner, role: Role): Promise<() => FleetMember> => {
    const { node, stats, admin } = place;
    const document = bootstrap({
      ...{ node, ...role, stats: local(stats), admin: local(admin), xds: local(plan.xds) },
      ...(await plan.credentials.forNode(node, owner)),
    });
    const file = join(plan.directory, `${node}.json`);
    await writeFile(file, JSON.stringify(document, null, 2));
    const program = {
      name: node,
      path: plan.envoy,
      args: ['-c', file, '--concurrency', '1', '--disable-hot-restart', '--log-level', 'warning'],
      logFile: join(plan.logs, `${node}.log`),
    };
    return () => ({ place, child: plan.children.start(program) });
  };
  const placeOf = async (node: string): Promise<ProxyPlace> => {
    const stats = await plan.ports.take(plan.far + 400);
    return { node, stats, admin: await plan.ports.take(plan.far + 500) };
  };
  const edge = await placeOf('edge-1');
  const sidecars: (readonly [SidecarPlan, ProxyPlace])[] = [];
  for (const sidecar of plan.sidecars) sidecars.push([sidecar, await placeOf(sidecar.application.instance)]);
  const prepared = await Promise.allSettled([
    prepare(edge, { gateways: ['edge'] }, { role: 'gateway', gateway: 'edge' }),
    ...sidecars.map(([{ application, outbound, upstream }, place]) => {
      const { service, instance } = application;
      const upstreams = upstream === undefined ? [] : [{ service: 'api', ...local(upstream) }];
      const role = { role: 'sidecar', service, instance, outbound: local(outbound), upstreams } as const;
      return prepare(place, { services: [service] }, role);
    }),
  ]);
  // Nothing is under way any more when one of them failed, so that all can be cleaned up.
  return prepared
    .map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    })
    .map((start) => start());
}

/** Resolves when every member has taken everything; rejects with CH1611 after a deadline, on abort, or when one ended. */
export async function awaitSettled(
  clock: Clock,
  watch: {
    readonly status: () => ControlStatus;
    readonly fleet: readonly FleetMember[];
    readonly logs: string;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { fleet, logs } = watch;
  const deadline = clock.now() + settleDeadlineMs;
  for (;;) {
    if (watch.signal.aborted) throw new AppError('CH1611', 'interrupted before all was in sync');
    const gone = fleet.find(({ child }) => child.ended() !== undefined);
    if (gone !== undefined)
      throw new AppError(
        'CH1611',
        `Envoy ${gone.place.node} ended: ${gone.child.ended()} (${join(logs, `${gone.place.node}.log`)})`,
      );
    const { proxies, revision } = watch.status();
    const missing = fleet.filter(
      ({ place }) =>
        !proxies.some(
          ({ node, state, revision: has, types }) =>
            // Until it has its certificate, what it acknowledged is not in use yet.
            node === place.node && state === 'synced' && has === revision && types['SDS']?.state === 'acked',
        ),
    );
    if (missing.length === 0) return;
    if (clock.now() > deadline)
      throw new AppError('CH1611', `not in sync: ${missing.map(({ place }) => place.node).join(', ')} (${logs})`);
    await clock.sleep(20);
  }
}
