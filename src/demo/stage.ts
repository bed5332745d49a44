// Everything the demo runs, started in order and stopped in reverse: registry, applications, control plane, Envoys.
// The control plane can be stopped and started again on its own. Invariant: `stop` ends all that `start` began.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Control } from '../control/contract.ts';
import { configSchema } from '../model/config.ts';
import { createDevRegistry } from '../sources/dev-registry/dev-registry.ts';
import type { Clock } from '../util/clock.ts';
import { AppError } from '../util/errors.ts';
import { silentLogger } from '../util/log.ts';
import type { Random } from '../util/random.ts';
import { createChildren } from './children.ts';
import { type Credentials, type CredentialsDeps, createCredentials } from './credentials.ts';
import { editedFile, gatewayText, routesText, seedText } from './demo-objects.ts';
import { awaitSettled, type ProxyPlace, type SidecarPlan, startFleet } from './fleet.ts';
import { createPlaneSwitch, type PlaneSwitchDeps } from './plane-switch.ts';
import { createPorts } from './ports.ts';
import { createRegistrations, type Registrations } from './registrations.ts';
import { type Client, createClient } from './request.ts';
import { type Application, startApplication } from './services.ts';

export interface StageDeps extends PlaneSwitchDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly join: CredentialsDeps['join'];
  readonly envoy: string;
  readonly directory: string;
  /** First port to try for the edge; 0: far from the usual ones, so that several demos can run. */
  readonly firstPort: number;
  readonly onExit: (kill: () => void) => void;
  readonly signal: AbortSignal;
}

export interface Stage {
  readonly directory: string;
  readonly ports: { readonly edge: number; readonly xds: number; readonly http: number; readonly registry: number };
  readonly proxies: readonly ProxyPlace[];
  readonly applications: readonly Application[];
  /** Runs beside its sidecar, but is in no registry yet. */
  readonly spare: Application;
  /** Port of the sidecar before each of them, by instance. */
  inbound(instance: string): number;
  readonly client: Client;
  readonly registrations: Registrations;
  readonly credentials: Credentials;
  control(): Control;
  tokenPath(): string;
  writeRoutes(v2Percent: number): Promise<void>;
  stopPlane(): Promise<void>;
  startPlane(): Promise<void>;
  /** Resolves when every proxy has taken everything; rejects with CH1611 after a deadline or when one ended. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

/** What is secret, below the demo's folder: the authority with what it knows, and what nodes were given. */
export const stateFolder = 'state';
export const credentialsFolder = 'credentials';
export const secretFolders = [stateFolder, credentialsFolder] as const;

const farFirstPort = 11_000;

export async function startStage(deps: StageDeps): Promise<Stage> {
  const stack: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const undo of stack.splice(0).reverse()) await undo();
  };
  try {
    return await build(deps, { stack, stop });
  } catch (error) {
    await stop();
    throw error;
  }
}

async function build(
  deps: StageDeps,
  life: { stack: (() => Promise<void>)[]; stop: () => Promise<void> },
): Promise<Stage> {
  const { clock, random, directory } = deps;
  const { stack } = life;
  const objects = join(directory, 'objects');
  const logs = join(directory, 'logs');
  const state = join(directory, stateFolder);
  const tokenPath = join(state, 'token');
  await mkdir(objects, { recursive: true });
  await mkdir(logs, { recursive: true });
  const ports = createPorts();
  const far = farFirstPort + Math.floor(random() * 15_000);
  const near = (preferred: number): Promise<number> => ports.take(deps.firstPort === 0 ? far : preferred);
  const edge = await near(deps.firstPort);
  const xds = await near(18_000);
  const http = await near(18_080);

  const client = createClient();
  stack.push(async () => client.close());
  const registry = await startRegistry(deps, await near(8500), stack);
  const registrations = createRegistrations(client, registry);
  const start = async (service: string, version: string, number: number, apiPort?: number): Promise<Application> => {
    const application = await startApplication(client, {
      service,
      version,
      instance: `${service}-${number}`,
      ...(apiPort === undefined ? {} : { apiPort }),
    });
    stack.push(() => application.close());
    return application;
  };
  const upstream = await ports.take(far + 100);
  const apis = [await start('api', 'v1', 1), await start('api', 'v1', 2), await start('api', 'v2', 3)];
  const spare = await start('api', 'v2', 4);
  const web = await start('web', 'v1', 1, upstream);
  const seeds = [
    await start('user-service', 'v1', 1),
    await start('order-service', 'v1', 1),
    await start('order-service', 'v1', 2),
  ];
  const sidecars: SidecarPlan[] = [];
  for (const application of [...apis, web, ...seeds, spare]) {
    const plan = { application, inbound: await ports.take(far + 200), outbound: await ports.take(far + 300) };
    sidecars.push(application === web ? { ...plan, upstream } : plan);
    if (application !== spare) await registrations.register(application, plan.inbound);
  }

  await writeFile(join(objects, 'gateway.yaml'), gatewayText(edge));
  await writeFile(join(objects, 'seed.yaml'), seedText);
  const writeRoutes = (v2Percent: number): Promise<void> => writeFile(join(objects, editedFile), routesText(v2Percent));
  await writeRoutes(10);

  const config = configSchema.parse({
    node: 'demo',
    state,
    trust: {},
    xds: { port: xds },
    http: { port: http },
    registries: [{ kind: 'consul', name: 'registry', address: `http://127.0.0.1:${registry}` }],
    objects: [{ kind: 'directory', path: objects }],
  });
  const plane = createPlaneSwitch(deps, config);
  stack.push(plane.stop);
  await plane.start();

  const children = createChildren(clock, deps.onExit);
  stack.push(() => children.stop());
  const credentials = createCredentials(
    { client, join: deps.join },
    { directory: join(directory, credentialsFolder), http, xds, tokenPath },
  );
  const fleet = await startFleet({
    envoy: deps.envoy,
    directory,
    children,
    ports,
    far,
    xds,
    logs,
    sidecars,
    credentials,
  });
  const settled = (): Promise<void> =>
    awaitSettled(clock, { status: () => plane.control().status(), fleet, logs, signal: deps.signal });
  return {
    directory,
    ports: { edge, xds, http, registry },
    proxies: fleet.map(({ place }) => place),
    applications: [...apis, web, ...seeds],
    spare,
    inbound: (instance) => sidecars.find(({ application }) => application.instance === instance)?.inbound ?? 0,
    client,
    registrations,
    credentials,
    control: plane.control,
    tokenPath: () => tokenPath,
    writeRoutes,
    stopPlane: plane.stop,
    startPlane: plane.start,
    settled,
    stop: life.stop,
  };
}

async function startRegistry(
  { clock, random }: StageDeps,
  port: number,
  stack: (() => Promise<void>)[],
): Promise<number> {
  const server = createDevRegistry({ clock, random, log: silentLogger }, { address: '127.0.0.1', port });
  const abort = new AbortController();
  const done = server.run(abort.signal);
  const bound = await Promise.race([
    server.ready,
    done.then(() => Promise.reject(new AppError('CH1611', 'the registry ended'))),
  ]);
  stack.push(async () => {
    abort.abort();
    await done;
  });
  return bound.port;
}
