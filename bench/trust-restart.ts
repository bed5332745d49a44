// A control plane is killed and started again under a thousand proxies: until each has a certificate again. Each proxy is
// another service's, comes over TLS 1.3 with a token of its own and asks for clusters and its secrets as Envoy does; after
// a lost stream it waits as Envoy does (half a second at first, up to 30 s, by chance). Run: npm run bench -- trust-restart
import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { create, toBinary } from '@bufbuild/protobuf';
import { createProtos } from '../src/resources/protos.ts';
import { identitySecret, rootsSecret } from '../src/resources/secret-names.ts';
import { typeUrls } from '../src/resources/type-urls.ts';
import { freePort } from '../test/support/free-port.ts';
import { createTempDir } from '../test/support/temp-dir.ts';
import { percentile, type Row, report } from './table.ts';
import type { ServerOptions, ServerReady } from './trust/server.ts';

const proxies = 1_000;
const rounds = 3;
const limitMs = 300_000;
const path = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';
const protos = createProtos(readFileSync(new URL('../src/gen/envoy.binpb', import.meta.url)));
const Request = protos.message('envoy.service.discovery.v3.DeltaDiscoveryRequest');

const overdue = setTimeout(() => {
  console.error(`the benchmark took more than ${limitMs / 1000} s`);
  process.exit(1);
}, limitMs);

function frame(request: object): Buffer {
  const body = toBinary(Request, create(Request, request as never));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

/** Starts the control plane and waits until it says that it listens. */
function start(options: ServerOptions): Promise<{ readonly child: ChildProcess; readonly ready: ServerReady }> {
  const child = fork(fileURLToPath(new URL('./trust/server.ts', import.meta.url)), [JSON.stringify(options)]);
  return new Promise((resolve, reject) => {
    child.once('message', (ready) => resolve({ child, ready: ready as ServerReady }));
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
  });
}

/** One proxy: it connects, asks, and says when its certificate is there; connects again when the stream ends. */
function startProxy(index: number, { port, ca, token, onLeaf }: ProxyOptions): () => void {
  let stopped = false;
  let waitMs = 500;
  let timer: NodeJS.Timeout | undefined;
  let session: ReturnType<typeof connect> | undefined;
  const metadata = { chancery: { service: `s${index}` } };
  const node = { id: `s${index}-1`, cluster: `s${index}`, userAgentName: 'envoy', metadata };
  const first = frame({ node, typeUrl: typeUrls.cluster });
  const secrets = frame({ typeUrl: typeUrls.secret, resourceNamesSubscribe: [identitySecret, rootsSecret] });

  function again(): void {
    if (stopped || timer !== undefined) return;
    session?.destroy();
    // Envoy: fully jittered, doubling from half a second to thirty.
    timer = setTimeout(open, Math.random() * waitMs);
    waitMs = Math.min(waitMs * 2, 30_000);
  }

  function open(): void {
    timer = undefined;
    if (stopped) return;
    session = connect(`https://127.0.0.1:${port}`, { ca, minVersion: 'TLSv1.3', settings: { enablePush: false } });
    session.on('error', again);
    session.on('close', again);
    const stream = session.request({
      ...{ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' },
      authorization: `Bearer ${token}`,
    });
    stream.on('error', again);
    stream.on('close', again);
    stream.on('data', (chunk: Buffer) => {
      waitMs = 500;
      if (!chunk.includes('PRIVATE KEY')) return;
      onLeaf(index);
    });
    stream.write(first);
    stream.write(secrets);
  }
  open();
  return () => {
    stopped = true;
    clearTimeout(timer);
    session?.destroy();
  };
}

interface ProxyOptions {
  readonly port: number;
  readonly ca: string;
  readonly token: string;
  readonly onLeaf: (index: number) => void;
}

/** `utime` and `stime` of a process, in seconds of 100 ticks. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

interface Round {
  readonly startedMs: number;
  readonly p50: number;
  readonly p99: number;
  readonly last: number;
  readonly cpuSeconds: number;
}

const dir = createTempDir('trust-restart');
const port = await freePort();
const options = { state: `${dir.path}/state`, port, proxies };
let { child, ready } = await start({ ...options, enrol: true });
let since = 0;
let times = new Map<number, number>();
let allHave: () => void = () => undefined;
const stops = ready.tokens.map((token, index) =>
  startProxy(index, {
    ...{ port, ca: ready.roots, token },
    onLeaf(of) {
      if (times.has(of)) return;
      times.set(of, performance.now() - since);
      if (times.size === proxies) allHave();
    },
  }),
);
const everybody = (): Promise<void> => new Promise((resolve) => (allHave = resolve));

since = performance.now();
await everybody();
const results: Round[] = [];
const load = loadavg()[0]?.toFixed(1);
for (let round = 0; round < rounds; round++) {
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.removeAllListeners('message').kill('SIGKILL');
  await ended;
  times = new Map();
  since = performance.now();
  const all = everybody();
  ({ child } = await start({ ...options, enrol: false }));
  const startedMs = performance.now() - since;
  await all;
  const sorted = [...times.values()];
  results.push({
    startedMs,
    ...{ p50: percentile(sorted, 50), p99: percentile(sorted, 99), last: Math.max(...sorted) },
    cpuSeconds: cpuSeconds(child.pid ?? 0),
  });
}
for (const stop of stops) stop();
child.disconnect();
clearTimeout(overdue);
dir.remove();

const seconds = (of: (round: Round) => number): string => {
  const values = results.map(of);
  const text = (value: number): string => `${(value / 1000).toFixed(1)} s`;
  return `${text(percentile(values, 50))} (${text(Math.min(...values))} to ${text(Math.max(...values))})`;
};
const rows: Row[] = [
  { what: 'it listens again', target: '', measured: seconds(({ startedMs }) => startedMs), data: results },
  { what: 'half of the proxies have a certificate', target: '', measured: seconds(({ p50 }) => p50) },
  { what: '99 of 100', target: '', measured: seconds(({ p99 }) => p99) },
  { what: 'all', target: '', measured: seconds(({ last }) => last) },
  { what: 'CPU of the control plane until then', target: '', measured: seconds((one) => one.cpuSeconds * 1000) },
];
report(
  'trust-restart',
  `${proxies} proxies of ${proxies} services over TLS with tokens, killed and started at once, ${rounds} rounds, from the kill; load of the machine ${load} before, of other work`,
  rows,
);
process.exit(0);
