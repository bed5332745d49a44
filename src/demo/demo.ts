// `chancery demo`: stages everything on this machine, tells what runs where and what to try, then tells what changes;
// with `check`, tries it itself. It reads no environment but what it is given.
// Invariant: however it ends, its processes end, and so does its folder unless it was named or a check failed.
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Config } from '../model/config.ts';
import { type Problem, problemText } from '../model/problem.ts';
import type { Clock } from '../util/clock.ts';
import type { Random } from '../util/random.ts';
import { runChecks } from './checks.ts';
import { createChronicle } from './chronicle.ts';
import type { CredentialsDeps } from './credentials.ts';
import { editedFile } from './demo-objects.ts';
import { findEnvoy } from './envoy-binary.ts';
import type { RunningPlane } from './plane-switch.ts';
import { registration } from './registrations.ts';
import { credentialsFolder, type Stage, secretFolders, startStage } from './stage.ts';

export interface DemoDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
  /** How this program is called, for the lines to try. */
  readonly program: string;
  /** Starts a control plane that writes its log lines to `log`. */
  readonly startPlane: (
    config: Config,
    context: { readonly signal: AbortSignal; readonly log: (line: string) => void },
  ) => Promise<RunningPlane>;
  readonly join: CredentialsDeps['join'];
  /** Runs the function when the process ends in whatever way. */
  readonly onExit: (kill: () => void) => void;
}

export interface DemoOptions {
  readonly check: boolean;
  /** Kept at the end; absent: a new temporary one, removed at the end. */
  readonly directory?: string;
}

/** Resolves with the exit code. */
export async function runDemo(deps: DemoDeps, options: DemoOptions): Promise<number> {
  const { clock, say, signal } = deps;
  const begun = clock.now();
  const envoy = findEnvoy(deps.environment);
  const directory =
    options.directory === undefined ? await mkdtemp(join(tmpdir(), 'chancery-demo-')) : resolve(options.directory);
  await mkdir(join(directory, 'logs'), { recursive: true });
  const log = createWriteStream(join(directory, 'logs', 'chancery.log'), { flags: 'a' });
  let keep = options.directory !== undefined;
  let stage: Stage | undefined;
  const stands = (problem: Problem): boolean =>
    stage === undefined ||
    stage
      .control()
      .status()
      .problems.some((standing) => problemText(standing) === problemText(problem));
  // A connection may end, and be told of, after all else has.
  const writeLog = (line: string): void => {
    if (!log.writableEnded) log.write(line);
  };
  const chronicle = createChronicle(clock, say, stands);
  try {
    stage = await startStage({
      ...deps,
      envoy,
      directory,
      firstPort: options.check ? 0 : 10_000,
      startPlane: (config, inner) => deps.startPlane(config, { signal: inner, log: writeLog }),
      onEvent: (event) => chronicle.take(event),
    });
    await stage.settled();
    say(`ready after ${((clock.now() - begun) / 1000).toFixed(1)} s with ${envoy}`);
    for (const line of placeLines(stage)) say(line);
    if (options.check) {
      const failed = await runChecks({ stage, clock, random: deps.random, say, signal });
      const unexpected = failed > 0 && !signal.aborted;
      keep ||= unexpected;
      if (unexpected) say(`logs are kept in ${join(directory, 'logs')}`);
      return failed === 0 ? 0 : 1;
    }
    for (const line of tryLines(stage, deps.program)) say(line);
    chronicle.begin();
    if (!signal.aborted)
      await new Promise<void>((done) => signal.addEventListener('abort', () => done(), { once: true }));
    chronicle.end();
    say('stopping');
    return 0;
  } catch (error) {
    if (signal.aborted) return options.check ? 1 : 0;
    keep = true;
    throw error;
  } finally {
    await stage?.stop();
    await new Promise<void>((done) => log.end(done));
    // A folder that is kept for its logs keeps no keys.
    const secrets = options.directory === undefined ? secretFolders.map((folder) => join(directory, folder)) : [];
    for (const path of keep ? secrets : [directory]) await rm(path, { recursive: true, force: true });
  }
}

function placeLines({ ports, proxies, applications, directory }: Stage): readonly string[] {
  const places = applications.map(({ instance, version, port }) => `${instance} ${version} :${port}`);
  return [
    `  edge       http://127.0.0.1:${ports.edge}/          (Envoy edge-1)`,
    `  proxies    ${proxies.map(({ node, admin }) => `${node} :${admin}`).join(', ')} (Envoy admin)`,
    `  services   ${places.join(', ')}`,
    `  registry   http://127.0.0.1:${ports.registry}/          (in process, Consul's API)`,
    `  xDS        127.0.0.1:${ports.xds}`,
    `  HTTP API   http://127.0.0.1:${ports.http}/          (metrics at /metrics, health at /readyz)`,
    `  trust      mutual TLS between all proxies; each joined with its credential in ${join(directory, credentialsFolder)}`,
    `  objects    ${join(directory, 'objects')}`,
    `  logs       ${join(directory, 'logs')}`,
  ];
}

function tryLines(stage: Stage, program: string): readonly string[] {
  const { ports, spare, directory, applications } = stage;
  const [called] = applications;
  const server = `--server http://127.0.0.1:${ports.http} --token-file ${stage.tokenPath()}`;
  const edge = `http://127.0.0.1:${ports.edge}`;
  const registry = `http://127.0.0.1:${ports.registry}/v1/agent`;
  return [
    '',
    'try, in another terminal:',
    `  curl ${edge}/                                   # web, which asks api through its sidecar; caller: by certificate`,
    `  curl -H 'x-group: beta' ${edge}/api             # header rule: version 2`,
    `  curl '${edge}/api?v=2'                          # query rule: version 2`,
    `  for i in $(seq 20); do curl -s ${edge}/api; done    # 90 % version 1, 10 % version 2`,
    `  curl http://127.0.0.1:${stage.inbound(called?.instance ?? '')}/                                   # plaintext to the sidecar of ${called?.instance}: refused`,
    `  curl -H 'Host: user-to-order.service.local' ${edge}/    # a Linkerd Route, as it is`,
    `  curl -X PUT ${registry}/service/register -d '${JSON.stringify(registration(spare, stage.inbound(spare.instance)))}'`,
    `  curl -X PUT ${registry}/check/fail/service:api-2      # critical: gets no more requests`,
    `  sed -i 's/weight: 90/weight: 50/; s/weight: 10/weight: 50/' ${join(directory, 'objects', editedFile)}`,
    `  ${program} status ${server}`,
    `  ${program} certs list ${server}`,
    '',
    'what changes is told here, with the time until each proxy acknowledged; Ctrl-C ends it all',
  ];
}
