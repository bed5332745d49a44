// A fleet of simulated proxies: each one connection with one ADS stream of one type, acknowledging all that it gets.
// It keeps of each proxy what an Envoy would keep: the version and the content of every resource.
// Invariant: every message is answered with its nonce before the next one is read, unless the proxy was told to stall.
import { createSecureContext } from 'node:tls';
import { type Connection, openConnection } from './connection.ts';
import { ackHead, firstRequest, fnv, nameInside, readResponse, sotwResources, type Variant } from './discovery.ts';
import { createReceiptBook, type ReceiptBook, wholeSet } from './receipts.ts';

export interface FleetOptions {
  readonly port: number;
  readonly ca?: string;
  readonly variant: Variant;
  readonly typeUrl: string;
  readonly proxies: number;
  /** Every name there is; proxies take theirs from it. */
  readonly names: readonly string[];
  /** How many names each proxy subscribes to; 0: wildcard. */
  readonly each: number;
  /** `same`: the first names for all. `spread`: every name has its share of the proxies. */
  readonly choice: 'same' | 'spread';
  /** Every proxy claims what gives it a view of its own. */
  readonly ownViews?: boolean;
  /** Proxies remember the version of each resource, and say them when they connect again. */
  readonly keepsVersions?: boolean;
}

export interface Counters {
  messages: number;
  resources: number;
  bytes: number;
  answered: number;
  /** Connections that ended after they were served. */
  lost: number;
  /** Connections that ended before, and were tried again as an Envoy does. */
  retries: number;
}

export interface Fleet {
  readonly counters: Counters;
  readonly receipts: ReceiptBook;
  /** Connects all at once; resolves when each has its first full state. `resume`: with the versions it has. */
  connect(options: { readonly port: number; readonly resume: boolean; readonly deadlineMs: number }): Promise<void>;
  /** The last proxies stop reading, so many of them; 0: all read again. */
  stall(count: number): void;
  /** Proxies that do not hold exactly what `store` says, at most ten of them in words. */
  differences(store: Readonly<Record<string, number>>): { readonly proxies: number; readonly examples: string[] };
  close(): void;
}

interface Proxy {
  readonly index: number;
  connection: Connection | undefined;
  /** Content hash and version of each name, 0 before the first. */
  readonly hashes: Uint32Array;
  readonly versions: Uint32Array;
  held: number;
  whole: boolean;
  /** Something came over the connection it has now. */
  served: boolean;
  attempts: number;
  /** Of the whole set (SotW): the last message. */
  last: Buffer | undefined;
  lastVersion: string;
}

export function createFleet(options: FleetOptions): Fleet {
  const { names, variant, typeUrl, each } = options;
  const indexOf = new Map(names.map((name, index) => [name, index]));
  const versionIds = new Map<string, number>([['', 0]]);
  const versionTexts = [''];
  const counters: Counters = { messages: 0, resources: 0, bytes: 0, answered: 0, lost: 0, retries: 0 };
  const receipts = createReceiptBook(options.proxies);
  const secureContext =
    options.ca === undefined ? undefined : createSecureContext({ ca: options.ca, minVersion: 'TLSv1.3' });
  const path = `/envoy.service.discovery.v3.AggregatedDiscoveryService/${variant === 'delta' ? 'DeltaAggregatedResources' : 'StreamAggregatedResources'}`;
  const head = ackHead(variant, typeUrl, each === 0 ? [] : names.slice(0, each));
  let waiting = 0;
  let allWhole: () => void = () => {};
  let failed: (reason: Error) => void = () => {};
  const proxies = Array.from(
    { length: options.proxies },
    (_, index): Proxy => ({
      index,
      connection: undefined,
      hashes: new Uint32Array(names.length),
      versions: new Uint32Array(names.length),
      ...{ held: 0, whole: false, served: false, attempts: 0, last: undefined, lastVersion: '' },
    }),
  );

  /** The names of a proxy. `spread`: name n goes to the proxies that are n modulo the number of groups. */
  function namesOf(index: number): readonly string[] {
    if (options.choice === 'same') return names.slice(0, each);
    const groups = Math.ceil(names.length / each);
    return names.filter((_, name) => name % groups === index % groups).slice(0, each);
  }

  function versionId(text: string): number {
    let id = versionIds.get(text);
    if (id === undefined) {
      id = versionTexts.length;
      versionIds.set(text, id);
      versionTexts.push(text);
    }
    return id;
  }

  function answer(proxy: Proxy, message: Buffer, [nonceStart, nonceEnd, version]: [number, number, string]): void {
    const size = nonceEnd - nonceStart;
    const versionField =
      variant === 'sotw' ? Buffer.from(`\x0a${String.fromCharCode(version.length)}${version}`) : empty;
    const out = Buffer.allocUnsafe(versionField.length + head.length + 2 + size);
    let at = versionField.copy(out);
    at += head.copy(out, at);
    out[at++] = (variant === 'delta' ? 6 : 5) * 8 + 2;
    out[at++] = size;
    message.copy(out, at, nonceStart, nonceEnd);
    proxy.connection?.send(out);
    counters.answered++;
  }

  function received(proxy: Proxy, message: Buffer): void {
    const now = performance.now();
    proxy.served = true;
    counters.messages++;
    counters.bytes += message.length;
    const response = readResponse(message, variant, (resource) => {
      const name = indexOf.get(message.toString('latin1', resource.nameStart, resource.nameEnd));
      if (name === undefined) return;
      counters.resources++;
      receipts.received(name, proxy.index, now);
      if (proxy.hashes[name] === 0) proxy.held++;
      if (resource.start < 0) {
        proxy.hashes[name] = 0;
        proxy.held--;
        return;
      }
      proxy.hashes[name] = fnv(message, resource.start, resource.end);
      if (options.keepsVersions === true)
        proxy.versions[name] = versionId(message.toString('latin1', resource.versionStart, resource.versionEnd));
    });
    const version = message.toString('latin1', response.versionStart, response.versionEnd);
    if (variant === 'sotw') {
      if (version !== proxy.lastVersion) receipts.received(wholeSet, proxy.index, now);
      proxy.lastVersion = version;
      // A large message has memory of its own.
      proxy.last = message.byteLength === message.buffer.byteLength ? message : Buffer.from(message);
    }
    answer(proxy, message, [response.nonceStart, response.nonceEnd, version]);
    if (proxy.whole || (variant === 'delta' && proxy.held < each)) return;
    proxy.whole = true;
    if (--waiting === 0) allWhole();
  }

  function open(proxy: Proxy, { port, resume }: { readonly port: number; readonly resume: boolean }): void {
    const versions = new Map<string, string>();
    if (resume)
      for (const [name, id] of proxy.versions.entries())
        if (id > 0) versions.set(names[name] ?? '', versionTexts[id] ?? '');
    const node = {
      id: `proxy-${proxy.index}`,
      cluster: 'edge',
      ...(options.ownViews === true ? { outboundPort: 20_000 + proxy.index } : {}),
    };
    proxy.whole = false;
    proxy.served = false;
    if (!resume) {
      proxy.held = 0;
      proxy.hashes.fill(0);
    }
    proxy.connection = openConnection({
      port,
      localAddress: `127.0.0.${2 + (proxy.index % 200)}`,
      path,
      ...(secureContext === undefined ? {} : { secureContext }),
      onMessage: (message) => received(proxy, message),
      onEnd: (reason) => {
        if (proxy.served || ++proxy.attempts > maxAttempts) {
          counters.lost++;
          failed(new Error(`proxy ${proxy.index}: ${reason}`));
          return;
        }
        counters.retries++;
        setTimeout(() => open(proxy, { port, resume }), retryMs * (1 + (proxy.index % 10) / 10)).unref();
      },
    });
    proxy.connection.send(
      firstRequest(variant, { typeUrl, node, names: each === 0 ? [] : namesOf(proxy.index), versions }),
    );
  }

  return {
    counters,
    receipts,
    async connect({ port, resume, deadlineMs }) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      waiting = proxies.length;
      counters.lost = 0;
      allWhole = resolve;
      failed = reject;
      const timer = setTimeout(
        () => reject(new Error(`${waiting} proxies are not served after ${deadlineMs} ms`)),
        deadlineMs,
      );
      for (const proxy of proxies) proxy.attempts = 0;
      for (const proxy of proxies) open(proxy, { port, resume });
      await promise.finally(() => clearTimeout(timer));
    },
    stall(count) {
      for (const proxy of proxies.slice(proxies.length - count)) proxy.connection?.pause();
      if (count === 0) for (const proxy of proxies) proxy.connection?.resume();
    },
    differences(store) {
      const examples: string[] = [];
      let different = 0;
      for (const proxy of proxies) {
        const wrong = variant === 'sotw' ? wrongSet(proxy, store) : wrongNames(proxy, store);
        if (wrong === undefined) continue;
        different++;
        if (examples.length < 10) examples.push(`proxy ${proxy.index}: ${wrong}`);
      }
      return { proxies: different, examples };
    },
    close() {
      failed = () => {};
      for (const proxy of proxies) proxy.connection?.close();
    },
  };

  function wrongNames(proxy: Proxy, store: Readonly<Record<string, number>>): string | undefined {
    for (const name of namesOf(proxy.index)) {
      const has = proxy.hashes[indexOf.get(name) ?? -1];
      if (has !== store[name]) return `${name} is ${has}, should be ${store[name]}`;
    }
    return undefined;
  }

  function wrongSet(proxy: Proxy, store: Readonly<Record<string, number>>): string | undefined {
    const message = proxy.last ?? empty;
    const has = sotwResources(message);
    if (has.length !== Object.keys(store).length) return `has ${has.length} of ${Object.keys(store).length}`;
    const wrong = has.find((range) => store[nameInside(message, range)] !== fnv(message, range[0], range[1]));
    return wrong === undefined ? undefined : `${nameInside(message, wrong)} differs`;
  }
}

const empty = Buffer.alloc(0);
const maxAttempts = 20;
/** Envoy's first back-off is 0.5 s at most. */
const retryMs = 250;
