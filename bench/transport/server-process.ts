// A server under test as its own process, ours or the peer: started, asked over its control port, and weighed from
// outside: CPU from utime and stime, memory from the kernel. Linux only, as /proc is.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from '../../test/support/eventually.ts';
import { type RunningProcess, startProcess } from '../../test/support/process.ts';
import type { OursOptions } from './ours.ts';

export interface State {
  /** FNV-1a of the content, by type URL and name. */
  readonly resources: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly streams: number;
  /** Responses (or proxies) that still wait. */
  readonly pending: number;
}

export interface BenchServer extends AsyncDisposable {
  readonly xdsPort: number;
  url(path: string): string;
  state(): Promise<State>;
  resources(): Promise<Uint8Array>;
  /** Ours only: starts a CPU profile, or stops it and returns it as JSON. */
  profile(): Promise<string>;
  /** CPU of the process so far, user and system, milliseconds. */
  cpuMs(): number;
  /** Resident memory after a collection, KB. */
  rssKb(): Promise<number>;
  /** Ours only: what is alive after a collection, KB; undefined for the peer. */
  liveKb(): Promise<number | undefined>;
  /** Resolves once it has done nothing for a while; at the latest after `deadlineMs`. */
  settled(leastMs?: number, deadlineMs?: number): Promise<void>;
  /** The end of what it wrote. */
  logs(): string;
  stop(): Promise<void>;
  kill(): Promise<void>;
}

/** Clock ticks of /proc/PID/stat; fixed at 100 a second for user space on every Linux that Node runs on. */
const tickMs = 10;
const ours = fileURLToPath(new URL('./ours.ts', import.meta.url));
const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

export function startOurs(options: OursOptions): Promise<BenchServer> {
  return started('ours', [process.execPath, '--expose-gc', ours, JSON.stringify(options)]);
}

export interface PeerOptions {
  readonly path: string;
  /** Encoded resources, as ours gives them. */
  readonly resources: Uint8Array;
  readonly folder: string;
  /** One snapshot a node, for so many nodes. */
  readonly nodes?: number;
  readonly tls?: TlsFiles;
}

export function startPeer({ path, resources, folder, nodes, tls }: PeerOptions): Promise<BenchServer> {
  const file = join(folder, 'resources.bin');
  writeFileSync(file, resources);
  return started('peer', [
    path,
    '-resources',
    file,
    ...(nodes === undefined ? [] : ['-nodes', String(nodes)]),
    ...(tls === undefined ? [] : ['-cert', tls.cert, '-key', tls.key]),
  ]);
}

async function started(name: string, command: [string, ...string[]]): Promise<BenchServer> {
  const running = await startProcess(name, command, { env: { ...process.env, GOMAXPROCS: '2' } });
  const ports = await eventually(
    () => {
      if (running.exit() !== undefined) throw new Error(`${name} ended with ${running.exit()}:\n${running.logs()}`);
      const line = /^\{"xds":.*\}$/m.exec(running.logs())?.[0];
      return line === undefined ? undefined : (JSON.parse(line) as { xds: number; control: number });
    },
    { deadlineMs: 60_000 },
  );
  return serverOf(running, ports);
}

function serverOf(running: RunningProcess, ports: { readonly xds: number; readonly control: number }): BenchServer {
  const url = (path: string): string => `http://127.0.0.1:${ports.control}${path}`;
  const get = async (path: string): Promise<Response> => {
    const response = await fetch(url(path)).catch((cause: unknown) => {
      throw new Error(`${running.name} ${path}: no answer, exit ${running.exit()}\n${running.logs().slice(-2000)}`, {
        cause,
      });
    });
    if (!response.ok) throw new Error(`${running.name} ${path}: ${response.status} ${await response.text()}`);
    return response;
  };
  const cpuMs = (): number => {
    const stat = readFileSync(`/proc/${running.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * tickMs;
  };
  return {
    xdsPort: ports.xds,
    url,
    cpuMs,
    state: async () => (await (await get('/state')).json()) as State,
    resources: async () => new Uint8Array(await (await get('/resources')).arrayBuffer()),
    profile: async () => (await get('/profile')).text(),
    async rssKb() {
      await get('/gc');
      await pause(200);
      const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${running.pid}/status`, 'utf8'));
      return Number(line?.[1] ?? Number.NaN);
    },
    async liveKb() {
      const told = await (await get('/gc')).text();
      if (told === '') return undefined;
      const { heapUsed, external } = JSON.parse(told) as NodeJS.MemoryUsage;
      return (heapUsed + external) / 1024;
    },
    async settled(leastMs = 300, deadlineMs = 10_000) {
      const start = performance.now();
      await pause(leastMs);
      let before = cpuMs();
      let quiet = 0;
      while (quiet < 2 && performance.now() - start < deadlineMs) {
        await pause(50);
        const now = cpuMs();
        quiet = now === before ? quiet + 1 : 0;
        before = now;
      }
    },
    logs: () => running.logs().slice(-2000),
    stop: () => running.stop(20_000),
    kill: () => running.kill(),
    [Symbol.asyncDispose]: () => running.stop(20_000),
  };
}
