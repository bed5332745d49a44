// The outcome of a full run: a JSON file with every count, and a page with one table.
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { type Kind, kinds } from './load-plan.ts';
import type { ScenarioResult } from './scenario.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const columns: Readonly<Record<Kind, string>> = {
  h1: 'HTTP/1.1 GET',
  h2: 'HTTP/2 GET',
  grpc: 'gRPC',
  post: 'POST',
};

const grouped = (value: number): string => String(value).replaceAll(/\B(?=(\d{3})+$)/g, ',');
const sum = (results: readonly ScenarioResult[], count: (result: ScenarioResult) => number): number =>
  results.reduce((total, result) => total + count(result), 0);
const sent = (result: ScenarioResult): number => kinds.reduce((total, kind) => total + result.requests[kind], 0);

/** `docs/lossless.md` for these results. */
export function lossPage(results: readonly ScenarioResult[]): string {
  const failed = results.filter(({ lost }) => lost > 0);
  const starved = sum(results, (result) => result.starved);
  const drainless = results.filter((result) => result.drainless);
  const repeatable = sum(drainless, ({ failed: of }) => of.post + of.grpc);
  const rows = results.map((result) => {
    const { scenario, envoy, variant, registry } = result;
    const cells = kinds.map((kind) => `${result.failed[kind]} / ${grouped(result.requests[kind])}`);
    const slowest = `${(result.slowestChangeMs / 1000).toFixed(1)} s`;
    return `| ${[result.gap ? `${scenario} (counted only)` : scenario, envoy, variant, registry, ...cells, slowest].join(' | ')} |`;
  });
  return `# Not one failed request

Made by \`npm run test:long -- test/long/lossless.test.ts\`; raw counts in \`bench/results/lossless.json\`. A shorter run of the
same scenarios is part of \`npm test\` (\`test/e2e/lossless/lossless.test.ts\`).

**${grouped(sum(results, sent))} requests in ${results.length} runs: ${failed.length === 0 ? 'none was lost that must not be' : `${grouped(sum(results, ({ lost }) => lost))} lost in ${failed.map(({ scenario }) => scenario).join('; ')}`}.**
${starved === 0 ? 'No request timed out for want of CPU.' : `${starved} requests timed out while the load itself stood still: the machine's doing, counted apart.`}

Real Envoys (an edge with two workers, a calling sidecar, a called one), the product as its own process, 520 requests a
second at constant rate: HTTP/1.1 GET, HTTP/2 GET, gRPC unary calls and POSTs, half through the edge and half through the
sidecar, some of them on through a second sidecar. The load is an open loop in a thread of its own: a request is due when it is
due, whatever became of the others, and its client never sends one twice. One request in twenty opens a connection of its own;
a client gives up a connection that idles for a second, and a request after five. Envoy's drain time is 4 s, so that drains end
within the scenario that caused them.

A GOAWAY that arrives while a request waits to be written keeps it from ever leaving the client; as every HTTP/2 client does, it
is then written to another connection (${grouped(sum(results, ({ heldBack }) => heldBack))} times here).

Each cell is failed / sent; the last column is the longest that a change took to be seen by everyone, on a machine busy with all of
this. POSTs and gRPC calls, which are POSTs, are held to zero like everything else but where instances are
cut off without a drain: what an instance was working on when it died may have been carried out, so it is not sent again. Those
rows show what that costs: ${repeatable} of ${grouped(sum(drainless, ({ requests }) => requests.post + requests.grpc))} here.

In SotW what changed while the control plane was away is counted only: the first answer to a client that comes back deletes what
is gone, and nothing tells a new process what that was ([why](decisions/0011-sotw-clients-that-come-back.md)). Our bootstraps use
delta, which has no such gap.

| while | Envoy | xDS over ADS | registry | ${kinds.map((kind) => columns[kind]).join(' | ')} | slowest change |
|---|---|---|---|${kinds.map(() => '---|').join('')}---|
${rows.join('\n')}
`;
}

/** Writes both. */
export function writeReport(results: readonly ScenarioResult[]): void {
  const [cpu] = cpus();
  const machine = {
    cpu: cpu?.model ?? '',
    cores: cpus().length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    node: process.version,
  };
  mkdirSync(`${root}bench/results`, { recursive: true });
  const how = '520 requests/s open loop through an edge and sidecars; failures by kind of request';
  writeFileSync(
    `${root}bench/results/lossless.json`,
    `${JSON.stringify({ name: 'lossless', how, machine, results }, null, 2)}\n`,
  );
  writeFileSync(`${root}docs/lossless.md`, lossPage(results));
}
