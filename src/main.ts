// The process: the only reader of argv, environment, files named on the command line, real clock and signals.
// It joins what floors below keep apart (control plane, HTTP API, command line, demo) and decides nothing else.
// Invariant: `serve` loads what its configuration needs and no more; every ending is an exit code.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { collectGarbage, growHeapWithFleet, keepHeapSmall } from './cli/heap.ts';
import type { CliDeps, Io } from './cli/io.ts';
import type { LoggerHandle } from './cli/logger.ts';
import type { Control } from './control/contract.ts';
import type { Config } from './model/config.ts';
import { isLoopback } from './util/host-port.ts';
import { createSystemClock } from './util/system-clock.ts';
import { runAll } from './util/tasks.ts';

const clock = createSystemClock();
const random = Math.random;
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};
/** Earlier 24s resume TLS sessions of expired client certificates (CVE-2026-123872). */
const patchedNode = [24, 22, 3] as const;

/** Compiled code is kept in our own cache folder, never in a shared one, where others could put code in its place. */
function keepCompiledCode(): void {
  const { CHANCERY_CACHE, XDG_CACHE_HOME } = process.env;
  enableCompileCache(join(CHANCERY_CACHE ?? join(XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'chancery'), 'compiled'));
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

const isDirectory = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

const descriptorSet = (): Uint8Array => readFileSync(new URL('./gen/envoy.binpb', import.meta.url));

function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      // A second one means now.
      if (stop.signal.aborted) process.exit(1);
      stop.abort();
    });
  }
  return stop.signal;
}

export interface RunningPlane {
  readonly control: Control;
  readonly xdsPort: number;
  readonly httpPort: number;
  readonly tokenPath: string;
  /** Settles when everything has stopped. */
  readonly done: Promise<void>;
}

/** Starts a control plane with its HTTP API; resolves once both listen. */
async function startPlane(config: Config, context: { logs: LoggerHandle; signal: AbortSignal }): Promise<RunningPlane> {
  const { logs, signal } = context;
  const log = logs.logger;
  const [{ createPlane }, { createAdmin }, { createPromMetrics }, { ensureToken }, { createStreamAskers }] =
    await Promise.all([
      import('./cli/plane.ts'),
      import('./admin/server.ts'),
      import('./admin/metrics.ts'),
      import('./admin/token.ts'),
      import('./admin/stream-askers.ts'),
    ]);
  const token = await ensureToken(config.http.tokenFile ?? join(config.state, 'token'));
  const metrics = createPromMetrics({ version, node: config.node });
  const plane = await createPlane(
    {
      ...{ clock, random, log, metrics, descriptorSet: descriptorSet(), environment: process.env },
      askers: (accessTokens) => createStreamAskers({ clock, token: token.token, accessTokens }),
    },
    config,
  );
  const { trust, control } = plane;
  metrics.mirror(plane.control);
  const admin = createAdmin(
    {
      control: plane.control,
      clock,
      metrics,
      logLevels: logs,
      decode: plane.decode,
      streamsOf: plane.streamsOf,
      version,
      node: config.node,
      log,
      token: token.token,
      accessTokens: plane.accessTokens,
      openScraping: isLoopback(config.http.address) || config.http.insecure,
      ...(trust === undefined ? {} : { trust: { ...trust, certificates: control.certificates } }),
    },
    { ...config.http, tls: httpTls(config, trust?.files) },
  );
  // The authority's own certificate is there once it is open.
  const shown = config.http.tls?.issuer === 'mesh' ? plane.opened : Promise.resolve();
  const done = runAll(signal, [
    (inner) => plane.run(inner),
    (inner) => shown.then(() => (inner.aborted ? undefined : admin.run(inner))),
  ]);
  // `done` alone rejects when one of them cannot listen.
  const say = log.child('main');
  // Said at once: it says what is waited for, where something is.
  const served = admin.listening.then((http) => {
    say.info('HTTP listens', { address: http.address, port: http.port, tokenFile: token.path });
    return http;
  });
  const [xds, http] = await Promise.race([Promise.all([plane.listening, served]), done.then(() => [])]);
  if (xds !== undefined) say.info('xDS listens', { address: xds.address, port: xds.port });
  if (token.created) say.info('made the API token', { file: token.path });
  return { control: plane.control, xdsPort: xds?.port ?? 0, httpPort: http?.port ?? 0, tokenPath: token.path, done };
}

/** Files of what the API shows: named, or the authority's own, which the xDS port shows too. */
function httpTls({ http: { tls } }: Config, own: { cert: string; key: string } | undefined) {
  if (tls?.cert !== undefined && tls.key !== undefined) return { cert: tls.cert, key: tls.key };
  return tls?.issuer === 'mesh' ? own : undefined;
}

function nodeIsOld(): boolean {
  const own = process.versions.node.split('.').map(Number);
  for (const [index, wanted] of patchedNode.entries()) {
    const part = own[index] ?? 0;
    if (part !== wanted) return part < wanted;
  }
  return false;
}

async function serve(config: Config, io: Io): Promise<number> {
  const [{ createLogger }, { trustNotice }] = await Promise.all([
    import('./cli/logger.ts'),
    import('./cli/xds-options.ts'),
  ]);
  const { level, format } = config.log;
  const pretty = format === 'pretty' || (format === 'auto' && process.stderr.isTTY === true);
  const logs = createLogger({ level, pretty, colour: pretty && useColour(process.stderr), write: io.err });
  const log = logs.logger.child('main');
  log.info('chancery starts', {
    version,
    node: config.node,
    registries: (config.registries ?? []).map(({ kind }) => kind),
    objects: (config.objects ?? []).map(({ kind }) => kind),
  });
  // Only where client certificates are asked for: nobody else has anything to lose by it.
  if (nodeIsOld() && config.xds.tls?.clientCa !== undefined)
    log.warn(
      `Node ${process.versions.node} is below ${patchedNode.join('.')}, which fixes CVE-2026-123872 (TLS sessions of expired client certificates are resumed); update Node`,
    );
  const notice = trustNotice(config);
  if (notice !== undefined) log.warn(notice);
  const plane = await startPlane(config, { logs, signal: io.signal });
  let ready = false;
  const firstWorld = (revision: number): void => {
    if (ready) return;
    ready = true;
    log.info('ready: first sync done', { revision });
    collectGarbage();
  };
  growHeapWithFleet(plane.control);
  plane.control.subscribe((event) => {
    if (event.kind === 'world') firstWorld(event.revision);
  });
  // Files are read sooner than worker threads start: it may have come before anyone listened.
  const { revision } = plane.control.status();
  if (revision > 0) firstWorld(revision);
  await plane.done;
  log.info('chancery stopped');
  return 0;
}

function useColour(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY === true && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb';
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

keepCompiledCode();
keepHeapSmall();

const io: Io = {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  colour: useColour(process.stdout),
  environment: process.env,
  clock,
  fetch,
  // Loaded by the few commands that need them.
  secureFetch: async (request) =>
    (await import('./cli/secure-request.ts')).createSecureRequests(clock).secureFetch(request),
  secureOpen: async (request) =>
    (await import('./cli/secure-request.ts')).createSecureRequests(clock).secureOpen(request),
  privateFiles: {
    folder: async (path) => (await import('./cli/private-files.ts')).createPrivateFiles().folder(path),
    write: async (folder, name, text) =>
      (await import('./cli/private-files.ts')).createPrivateFiles().write(folder, name, text),
  },
  signal: stopSignal(),
  readStdin,
  readText,
  portInUse: async (at) => (await import('./cli/port-in-use.ts')).portInUse(at),
  isDirectory,
  listFiles: (path) =>
    readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
      .map((entry) => join(entry.parentPath, entry.name).slice(join(path, '/').length))
      .sort(),
};

const deps: CliDeps = {
  io,
  version,
  descriptorSet,
  serve: (config) => serve(config, io),
  demo: async (options) => {
    const [{ runDemo }, { createLogger }] = await Promise.all([import('./demo/demo.ts'), import('./cli/logger.ts')]);
    return runDemo(
      {
        clock,
        random,
        environment: process.env,
        signal: io.signal,
        program: import.meta.url.endsWith('.ts') ? 'node bin/chancery.mjs' : 'chancery',
        say: (line) => io.out(`${line}\n`),
        onExit: (kill) => void process.on('exit', kill),
        join: async (node, { token, folder, xds, certificate }) => {
          const [{ credentialOf }, { xdsCredential }] = await Promise.all([
            import('./cli/join.ts'),
            import('./cli/bootstrap-credential.ts'),
          ]);
          const wanted = { join: token, credentials: folder, xds, certificate, replace: true };
          const credential = await credentialOf({ ...io, err: () => {} }, node, wanted);
          if (credential === undefined) throw new Error(`no credential for ${node}`);
          const secret = credential.folder.secret(credential.record);
          return { bootstrap: xdsCredential(credential), ...('chain' in secret ? { certificate: secret } : {}) };
        },
        startPlane: (config, { signal, log }) =>
          startPlane(config, {
            signal,
            logs: createLogger({ level: 'info', pretty: false, colour: false, write: log }),
          }),
      },
      options,
    );
  },
};

// A reader that left (`chancery schema | head`) is no failure.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

// Loaded only now, so that it too is compiled once for all starts and does not grow the young generation.
const { runCommandLine } = await import('./cli/program.ts');
process.exitCode = await runCommandLine(process.argv.slice(2), deps);
// Everything was asked to stop and has; a socket that lingers must not keep the process.
setTimeout(() => process.exit(), 1000).unref();
