// W11: a registry event -> the last proxy has it and has acknowledged it, through the whole product as `serve` runs it:
// the dev registry over HTTP, source, World, translation, xDS. With simulated proxies, and beside them ten real Envoys.
import { findPart } from '../../scripts/parts.mjs';
import { typeUrls } from '../../src/resources/type-urls.ts';
import { freePort } from '../../test/support/free-port.ts';
import { serviceName } from '../../test/support/plane.ts';
import { type Product, startProduct } from '../../test/support/product.ts';
import { percentile } from '../table.ts';
import { startClient } from './client-process.ts';
import { type Line, short } from './results.ts';

export interface EndToEndSize {
  readonly services: number;
  readonly proxies: readonly [number, number];
  readonly envoys: number;
  readonly changes: number;
}

export const fullSize: EndToEndSize = { services: 100, proxies: [100, 1000], envoys: 10, changes: 100 };

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
const gapMs = 150;

export async function endToEnd(size: EndToEndSize, say: (line: string) => void): Promise<readonly Line[]> {
  const devPort = await freePort();
  await using product = await startProduct({ registries: [{ kind: 'dev', port: devPort }] });
  const registry = `http://127.0.0.1:${devPort}/v1/agent/service/register`;
  const body = (k: number, seq: number): string =>
    JSON.stringify({ Name: serviceName(k), ID: `${serviceName(k)}-1`, Address: '10.0.0.1', Port: 10_000 + seq });
  for (let k = 0; k < size.services; k++) await fetch(registry, { method: 'PUT', body: body(k, 0) });
  await pause(500);
  let seq = 0;
  const next = (): { k: number; seq: number } => ({ k: ++seq % size.services, seq });

  const lines: Line[] = [];
  for (const [index, proxies] of size.proxies.entries()) {
    using client = startClient();
    const names = Array.from({ length: size.services }, (_, k) => serviceName(k));
    await client.ask('connect', {
      deadlineMs: 60_000,
      fleet: {
        ...{ port: product.xdsPort, variant: 'delta', typeUrl: typeUrls.endpoints, proxies, names },
        ...{ each: size.services, choice: 'same' },
      },
    });
    const change = async (): Promise<number> => {
      const at = next();
      const { latencies, expected } = await client.ask('change', {
        ...{ url: registry, method: 'PUT', body: body(at.k, at.seq), name: serviceName(at.k), proxies },
        deadlineMs: 10_000,
      });
      if (latencies.length < expected)
        throw new Error(`GATE FAILED: a registry event reached ${latencies.length} of ${expected} proxies`);
      await pause(gapMs);
      return latencies.at(-1) ?? Number.NaN;
    };
    for (let i = 0; i < 10; i++) await change();
    const lasts: number[] = [];
    for (let i = 0; i < size.changes; i++) lasts.push(await change());
    await client.ask('close', null);
    const which = index === 0 ? { p: 50, limit: 10 } : { p: 99, limit: 100 };
    lines.push(
      line(`registry event -> last ACK, ${proxies} proxies`, lasts, { target: `p${which.p} <= ${which.limit} ms` }),
    );
    const met = percentile(lasts, which.p) <= which.limit;
    lines.push({ ...(lines.pop() as Line), met });
    say(`W11: ${proxies} proxies done`);
  }
  if (findPart('envoy').path === undefined) return lines;
  lines.push(
    line(`the same, ${size.envoys} real Envoys`, await realEnvoys(product, size, { registry, body, next }), {}),
  );
  say('W11: real Envoys done');
  return lines;
}

function line(what: string, lasts: readonly number[], { target = '' }: { readonly target?: string }): Line {
  const ours = `p50 ${short(percentile(lasts, 50))} ms, p99 ${short(percentile(lasts, 99))} ms (n=${lasts.length})`;
  const data = { p50: percentile(lasts, 50), p99: percentile(lasts, 99), changes: lasts.length };
  return { id: 'W11', what, ours, peer: '', ratio: '', target, data };
}

async function realEnvoys(
  product: Product,
  size: EndToEndSize,
  change: {
    readonly registry: string;
    readonly body: (k: number, seq: number) => string;
    readonly next: () => { readonly k: number; readonly seq: number };
  },
): Promise<number[]> {
  // One listener a gateway, each on a port of its own: they run on one machine.
  for (let i = 0; i < size.envoys; i++) {
    const spec = `{listeners: [{name: http, port: ${await freePort()}, protocol: http}]}`;
    product.write(`${i}.yaml`, `apiVersion: chancery/v1\nkind: Gateway\nmetadata: {name: edge-${i}}\nspec: ${spec}\n`);
  }
  for (let i = 0; i < size.envoys; i++)
    await product.envoy(`edge-${i}`, ['--gateway', `edge-${i}`], { args: ['--concurrency', '1'] });
  await pause(1000);
  const acked = new Set<string>();
  let all: () => void = () => {};
  const reading = new AbortController();
  void readEvents(product, reading.signal, ({ kind, node }) => {
    if (kind !== 'acked' || node === undefined) return;
    acked.add(node);
    if (acked.size === size.envoys) all();
  });
  await pause(500);
  const lasts: number[] = [];
  for (let i = 0; i < Math.min(size.changes, 50); i++) {
    const { k, seq } = change.next();
    acked.clear();
    const done = new Promise<void>((resolve, reject) => {
      all = resolve;
      setTimeout(
        () => reject(new Error(`GATE FAILED: ${acked.size} of ${size.envoys} Envoys acknowledged`)),
        10_000,
      ).unref();
    });
    const start = performance.now();
    await fetch(change.registry, { method: 'PUT', body: change.body(k, seq) });
    await done;
    lasts.push(performance.now() - start);
    await pause(gapMs);
  }
  reading.abort();
  return lasts;
}

async function readEvents(
  product: Product,
  signal: AbortSignal,
  onEvent: (event: { readonly kind: string; readonly node?: string }) => void,
): Promise<void> {
  const { body } = await product.api('GET', '/api/v1/events');
  let rest = '';
  for await (const chunk of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    if (signal.aborted) return;
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts)
      if (part.startsWith('data: ')) onEvent(JSON.parse(part.slice(6)) as { kind: string; node?: string });
  }
}
