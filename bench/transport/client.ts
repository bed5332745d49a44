// The load client, a process of its own: takes commands from its parent over IPC and runs a fleet of simulated proxies.
// Loopback only. It ends with its parent, and by itself when its lifetime is over.
import { Agent, request } from 'node:http';
import { percentile } from '../table.ts';
import type { CommandName, Commands, ConnectResult, Question, StormResult } from './client-commands.ts';
import { createFleet, type Fleet } from './fleet.ts';
import { wholeSet } from './receipts.ts';

const lifetimeMs = 30 * 60_000;
const agent = new Agent({ keepAlive: true });
let fleet: Fleet | undefined;
let names: readonly string[] = [];

function theFleet(): Fleet {
  if (fleet === undefined) throw new Error('no fleet is connected');
  return fleet;
}

function call(url: string, method = 'GET', body = ''): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent, method }, (response) => {
      response.resume();
      response.once('end', () =>
        response.statusCode === 200 ? resolve() : reject(new Error(`${url} answered ${response.statusCode}`)),
      );
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

async function connected(of: Fleet, options: Parameters<Fleet['connect']>[0]): Promise<ConnectResult> {
  const before = { ...of.counters };
  const start = performance.now();
  await of.connect(options);
  const wallMs = performance.now() - start;
  return {
    wallMs,
    messages: of.counters.messages - before.messages,
    bytes: of.counters.bytes - before.bytes,
    retries: of.counters.retries - before.retries,
  };
}

async function storm(ask: Commands['storm']['ask']): Promise<StormResult> {
  const { counters, receipts } = theFleet();
  const before = { ...counters };
  const latencies: number[] = [];
  const start = performance.now();
  let [seq, changes, lost] = [ask.firstSeq, 0, 0];
  const lane = async (): Promise<void> => {
    while (performance.now() - start < ask.durationMs) {
      while (receipts.awaits(seq % ask.names)) seq++;
      const k = seq % ask.names;
      const { done } = receipts.expect(k, { proxies: ask.proxies, deadlineMs: 10_000 });
      await call(`${ask.url}&k=${k}&seq=${seq++}`);
      const receipt = await done;
      for (const latency of receipt.latencies) latencies.push(latency);
      if (receipt.latencies.length < receipt.expected) lost++;
      else if (performance.now() - start <= ask.durationMs) changes++;
    }
  };
  await Promise.all(Array.from({ length: ask.open }, lane));
  return {
    ...{ changes, lost, seconds: ask.durationMs / 1000 },
    resources: counters.resources - before.resources,
    messages: counters.messages - before.messages,
    p50: percentile(latencies, 50),
    p99: percentile(latencies, 99),
  };
}

async function flood(ask: Commands['flood']['ask']): Promise<Commands['flood']['answer']> {
  const { receipts } = theFleet();
  const waiting: Promise<{ readonly latencies: readonly number[]; readonly expected: number }>[] = [];
  const start = performance.now();
  for (let seq = ask.firstSeq; performance.now() - start < ask.durationMs; seq++) {
    const k = seq % ask.names;
    if (receipts.awaits(k)) continue;
    waiting.push(receipts.expect(k, { proxies: ask.proxies, deadlineMs: 60_000 }).done);
    await call(`${ask.url}&k=${k}&seq=${seq}`);
    const early = start + (waiting.length * 1000) / ask.perSecond - performance.now();
    if (early > 1) await new Promise((resolve) => setTimeout(resolve, early));
  }
  const all = await Promise.all(waiting);
  return {
    changes: all.length,
    seconds: (performance.now() - start) / 1000,
    lost: all.filter(({ latencies, expected }) => latencies.length < expected).length,
  };
}

const handlers: { [N in CommandName]: (ask: Commands[N]['ask']) => Promise<Commands[N]['answer']> } = {
  async connect(ask) {
    fleet = createFleet(ask.fleet);
    ({ names } = ask.fleet);
    return connected(fleet, { port: ask.fleet.port, resume: false, deadlineMs: ask.deadlineMs });
  },
  reconnect: (ask) => connected(theFleet(), { ...ask, resume: true }),
  async change({ url, method, body, name, proxies, deadlineMs }) {
    const slot = name === undefined ? wholeSet : names.indexOf(name);
    const { done } = theFleet().receipts.expect(slot, { proxies, deadlineMs });
    await call(url, method, body);
    return done;
  },
  storm,
  flood,
  async stall({ count }) {
    theFleet().stall(count);
    return null;
  },
  async differences({ store }) {
    const { lost, messages, bytes } = theFleet().counters;
    return { ...theFleet().differences(store), lost, messages, bytes };
  },
  async close() {
    fleet?.close();
    fleet = undefined;
    return null;
  },
};

process.on('message', ({ id, name, ask }: Question) => {
  (handlers[name] as (ask: unknown) => Promise<unknown>)(ask).then(
    (answer) => process.send?.({ id, answer }),
    (error: unknown) => process.send?.({ id, error: error instanceof Error ? error.message : String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
setTimeout(() => process.exit(3), lifetimeMs).unref();
