// Starts a real Envoy on a bootstrap given as text or object, and checks bootstraps with `--mode validate`.
// Invariant: hot restart is off, so any number of Envoys run side by side without sharing memory.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { eventually } from './eventually.ts';
import { freePort } from './free-port.ts';
import { partPath } from './part-path.ts';
import { type RunningProcess, startProcess } from './process.ts';
import { createTempDir } from './temp-dir.ts';

export interface EnvoyOptions {
  /** A path, or `oldest` for the oldest supported version; default the newest. */
  readonly bin?: string;
  /** More arguments, e.g. `['--drain-time-s', '1']`. */
  readonly args?: readonly string[];
  /** Envoy's log level; default `warning`. */
  readonly logLevel?: string;
  /**
   * `ready` (default): until /ready answers 200, that is, all xDS it waits for has come.
   * `admin`: until the admin port answers at all. `nothing`: return at once.
   */
  readonly waitFor?: 'ready' | 'admin' | 'nothing';
  readonly deadlineMs?: number;
  /** Called for each piece of output; its access log goes to standard output. */
  readonly onOutput?: (text: string) => void;
}

export interface RunningEnvoy extends RunningProcess {
  /** `127.0.0.1:PORT` of the admin listener. */
  readonly admin: string;
  /** Body of an admin GET; throws on a status other than 200. */
  adminGet(path: string): Promise<string>;
  adminPost(path: string): Promise<string>;
  /** The value of one counter or gauge by exact name, 0 when Envoy has none yet. */
  stat(name: string): Promise<number>;
}

export interface ValidateResult {
  readonly ok: boolean;
  /** Envoy's own words. */
  readonly output: string;
}

/** A socket address as Envoy's examples spell it, or as proto3 JSON does. */
interface SocketAddress {
  address?: string;
  port_value?: number;
  portValue?: number;
}

interface AdminPart {
  admin?: { address?: { socket_address?: SocketAddress; socketAddress?: SocketAddress } };
}

const envoyPath = (bin: string | undefined): string =>
  bin === undefined ? partPath('envoy') : bin === 'oldest' ? partPath('envoy-oldest') : bin;

/** Starts Envoy. A config without an `admin` gets one on a free loopback port. */
export async function startEnvoy(config: string | object, options: EnvoyOptions = {}): Promise<RunningEnvoy> {
  const dir = createTempDir('envoy');
  let text = typeof config === 'string' ? config : JSON.stringify(config);
  const parsed = parse(text) as AdminPart;
  let socket = parsed.admin?.address?.socket_address ?? parsed.admin?.address?.socketAddress;
  if (socket === undefined) {
    socket = { address: '127.0.0.1', port_value: await freePort() };
    text = JSON.stringify({ ...parsed, admin: { address: { socket_address: socket } } });
  }
  const admin = `${socket.address ?? '127.0.0.1'}:${socket.port_value ?? socket.portValue ?? 0}`;
  const file = join(dir.path, 'envoy.yaml');
  writeFileSync(file, text);
  const child = await startProcess(
    'envoy',
    [
      envoyPath(options.bin),
      ...['-c', file, '--disable-hot-restart', '-l', options.logLevel ?? 'warning'],
      ...(options.args?.includes('--concurrency') ? [] : ['--concurrency', '1']),
      ...(options.args ?? []),
    ],
    options.onOutput === undefined ? {} : { onOutput: options.onOutput },
  );
  void child.ended().then(() => dir.remove());

  const request = async (path: string, method: string): Promise<string> => {
    const response = await fetch(`http://${admin}${path}`, { method });
    const body = await response.text();
    if (response.status !== 200) throw new Error(`Envoy admin ${method} ${path}: ${response.status} ${body}`);
    return body;
  };
  const envoy: RunningEnvoy = {
    ...child,
    admin,
    adminGet: (path) => request(path, 'GET'),
    adminPost: (path) => request(path, 'POST'),
    async stat(name) {
      const body = await request(
        `/stats?filter=${encodeURIComponent(`^${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`)}`,
        'GET',
      );
      return Number(/: (\d+)\s*$/m.exec(body)?.[1] ?? 0);
    },
  };
  const waitFor = options.waitFor ?? 'ready';
  if (waitFor === 'nothing') return envoy;
  try {
    await eventually(
      async () => {
        if (child.exit() !== undefined) return true;
        const response = await fetch(`http://${admin}/ready`);
        await response.arrayBuffer();
        return waitFor === 'admin' || response.status === 200;
      },
      { deadlineMs: options.deadlineMs ?? 20_000 },
    );
  } catch (error) {
    await child.kill();
    throw new Error(`Envoy did not get ready; it wrote:\n${child.logs()}`, { cause: error });
  }
  if (child.exit() !== undefined) throw new Error(`Envoy ended with ${child.exit()}; it wrote:\n${child.logs()}`);
  return envoy;
}

/** Lets Envoy load a bootstrap with `--mode validate`, without running it. */
export async function envoyValidate(config: string | object, bin?: string): Promise<ValidateResult> {
  using dir = createTempDir('validate');
  const file = join(dir.path, 'envoy.yaml');
  writeFileSync(file, typeof config === 'string' ? config : JSON.stringify(config));
  const child = await startProcess('envoy validate', [
    envoyPath(bin),
    ...['--mode', 'validate', '-c', file, '-l', 'warning', '--disable-hot-restart'],
  ]);
  const exit = await child.ended();
  return { ok: exit === 0, output: child.logs().trim() };
}
