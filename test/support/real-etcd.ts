// Starts a real single-node etcd on free loopback ports, with its data in a folder of its own or the caller's.
import { join } from 'node:path';
import { eventually } from './eventually.ts';
import { freePorts } from './free-port.ts';
import { partPath } from './part-path.ts';
import { type RunningProcess, startProcess } from './process.ts';
import { createTempDir } from './temp-dir.ts';

export interface EtcdOptions {
  /** Keeps its data there; the caller removes the folder. Default: a folder removed by `stop` and `dispose`. */
  readonly dataDir?: string;
  /** Client port; default a free one. */
  readonly port?: number;
  readonly args?: readonly string[];
}

export interface RunningEtcd extends RunningProcess {
  /** `127.0.0.1:PORT` of the client listener. */
  readonly address: string;
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly port: number;
  /** The JSON gateway: `call('kv/put', {key: base64, value: base64})`. */
  call(path: string, body: unknown): Promise<Record<string, unknown>>;
  put(key: string, value: string): Promise<void>;
  remove(key: string): Promise<void>;
  /** The store's current revision. */
  revision(): Promise<number>;
  /** A new process on the same ports and data; `kill` this one first (or `stop` it, if `dataDir` was given). */
  again(): Promise<RunningEtcd>;
}

interface Place {
  readonly client: number;
  readonly peer: number;
  readonly dataDir: string;
  remove(): void;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** Resolves when etcd says it is healthy. */
export async function startEtcd(options: EtcdOptions = {}): Promise<RunningEtcd> {
  const [client = 0, peer = 0] = await freePorts(2);
  const temporary = options.dataDir === undefined ? createTempDir('etcd') : undefined;
  const dataDir = options.dataDir ?? join(temporary?.path ?? '', 'data');
  return start(options, { client: options.port ?? client, peer, dataDir, remove: () => temporary?.remove() });
}

async function start(options: EtcdOptions, place: Place): Promise<RunningEtcd> {
  const address = `127.0.0.1:${place.client}`;
  const url = `http://${address}`;
  const peerUrl = `http://127.0.0.1:${place.peer}`;
  const child = await startProcess('etcd', [
    partPath('etcd'),
    ...['--name', 'node-1', '--data-dir', place.dataDir, '--log-level', 'warn', '--logger', 'zap'],
    ...['--listen-client-urls', url, '--advertise-client-urls', url],
    ...[
      '--listen-peer-urls',
      peerUrl,
      '--initial-advertise-peer-urls',
      peerUrl,
      '--initial-cluster',
      `node-1=${peerUrl}`,
    ],
    ...(options.args ?? []),
  ]);
  const call = async (path: string, body: unknown): Promise<Record<string, unknown>> => {
    const response = await fetch(`${url}/v3/${path}`, { method: 'POST', body: JSON.stringify(body) });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`etcd ${path}: ${response.status} ${text}`);
    return JSON.parse(text) as Record<string, unknown>;
  };
  try {
    await eventually(
      async () => {
        if (child.exit() !== undefined) return true;
        const response = await fetch(`${url}/health`);
        return (await response.text()).includes('true');
      },
      { deadlineMs: 30_000 },
    );
  } catch (error) {
    await child.kill();
    throw new Error(`etcd did not get ready; it wrote:\n${child.logs()}`, { cause: error });
  }
  if (child.exit() !== undefined) throw new Error(`etcd ended with ${child.exit()}; it wrote:\n${child.logs()}`);
  const stop = async (graceMs?: number): Promise<void> => {
    await child.stop(graceMs);
    place.remove();
  };
  return {
    ...child,
    stop,
    [Symbol.asyncDispose]: () => stop(),
    address,
    url,
    port: place.client,
    call,
    put: async (key, value) => void (await call('kv/put', { key: base64(key), value: base64(value) })),
    remove: async (key) => void (await call('kv/deleterange', { key: base64(key) })),
    async revision() {
      const answer = await call('kv/range', { key: base64('\0'), limit: 1 });
      return Number((answer['header'] as { revision?: string } | undefined)?.revision ?? 0);
    },
    again: () => start(options, place),
  };
}
