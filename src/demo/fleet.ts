// The demo's Envoys: one edge and a sidecar beside each instance, each on a bootstrap as `chancery bootstrap` prints it.
// It knows no service's code and no registry. Invariant: an Envoy that ended is told with its log, not waited for.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ControlStatus } from '../control/contract.ts';
import { bootstrap } from '../translate/bootstrap.ts';
import type { Clock } from '../util/clock.ts';
import { AppError } from '../util/errors.ts';
import type { Child, Children } from './children.ts';
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
}

/** Launches the edge and one sidecar for each plan. */
export async function startFleet(plan: FleetPlan): Promise<readonly FleetMember[]> {
  const local = (port: number) => ({ address: '127.0.0.1', port });
  const fleet: FleetMember[] = [];
  const launch = async (node: string, role: object): Promise<void> => {
    const stats = await plan.ports.take(plan.far + 400);
    const admin = await plan.ports.take(plan.far + 500);
    const document = bootstrap({
      node,
      ...role,
      stats: local(stats),
      admin: local(admin),
      xds: local(plan.xds),
    } as Parameters<typeof bootstrap>[0]);
    const file = join(plan.directory, `${node}.json`);
    await writeFile(file, JSON.stringify(document, null, 2));
    const child = plan.children.start({
      name: node,
      path: plan.envoy,
      args: ['-c', file, '--concurrency', '1', '--disable-hot-restart', '--log-level', 'warning'],
      logFile: join(plan.logs, `${node}.log`),
    });
    fleet.push({ place: { node, stats, admin }, child });
  };
  await launch('edge-1', { role: 'gateway', gateway: 'edge' });
  for (const { application, outbound, upstream } of plan.sidecars) {
    await launch(application.instance, {
      role: 'sidecar',
      service: application.service,
      instance: application.instance,
      outbound: local(outbound),
      upstreams: upstream === undefined ? [] : [{ service: 'api', ...local(upstream) }],
    });
  }
  return fleet;
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
          ({ node, state, revision: has }) => node === place.node && state === 'synced' && has === revision,
        ),
    );
    if (missing.length === 0) return;
    if (clock.now() > deadline)
      throw new AppError('CH1611', `not in sync: ${missing.map(({ place }) => place.node).join(', ')} (${logs})`);
    await clock.sleep(20);
  }
}
