// A small HTTP server in the place of Consul that answers well until it is told to answer badly, for one path.
// A good answer blocks as Consul's does, until the next change of mind.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface BadAnswer {
  readonly status?: number;
  readonly type?: string;
  /** Null leaves a header out. */
  readonly headers?: Readonly<Record<string, string | null>>;
  readonly body: string;
  /** Ends the connection in the middle of the body. */
  readonly cut?: boolean;
}

export interface FakeConsul {
  readonly url: string;
  /** From now on `target` answers so; undefined: well again. */
  answer(target: 'catalog' | 'health', bad: BadAnswer | undefined): void;
  /** Requests seen so far. */
  requests(): number;
  stop(): Promise<void>;
}

const good = (id: string, service: string, last: number): object => ({
  Node: { Node: 'n1', Address: '10.0.0.1', Datacenter: 'dc1' },
  Service: { ID: id, Service: service, Address: `10.0.0.${last}`, Port: 80 },
  Checks: [{ CheckID: 'serfHealth', Status: 'passing', Output: 'ok' }],
});
const bodies: Readonly<Record<string, unknown>> = {
  '/v1/catalog/services': { api: [], web: [] },
  '/v1/health/service/web': [good('web-1', 'web', 11), good('web-2', 'web', 12)],
  '/v1/health/service/api': [good('api-1', 'api', 21)],
};
const targets: Readonly<Record<string, string>> = {
  catalog: '/v1/catalog/services',
  health: '/v1/health/service/web',
};

export async function startFakeConsul(): Promise<FakeConsul> {
  let index = 10;
  let seen = 0;
  const bad = new Map<string, BadAnswer>();
  let waiting: (() => void)[] = [];

  function reply(path: string, response: ServerResponse): void {
    const wrong = bad.get(path);
    const body = wrong?.body ?? JSON.stringify(bodies[path] ?? []);
    const headers: Record<string, string | null> = {
      'content-type': wrong?.type ?? 'application/json',
      'x-consul-index': String(index),
      'x-consul-knownleader': 'true',
      'content-length': String(Buffer.byteLength(body) + (wrong?.cut ? 100 : 0)),
      ...wrong?.headers,
    };
    for (const [name, value] of Object.entries(headers)) if (value !== null) response.setHeader(name, value);
    response.writeHead(wrong?.status ?? 200);
    if (wrong?.cut) response.write(body, () => response.destroy());
    else response.end(body);
  }

  function handle(request: IncomingMessage, response: ServerResponse): void {
    seen++;
    const url = new URL(request.url ?? '/', 'http://fake');
    const asked = Number(url.searchParams.get('index') ?? 0);
    const wait = Number.parseInt(url.searchParams.get('wait') ?? '0', 10);
    if (bad.has(url.pathname) || asked < index) {
      reply(url.pathname, response);
      return;
    }
    const timer = setTimeout(() => reply(url.pathname, response), wait);
    waiting.push(() => {
      clearTimeout(timer);
      reply(url.pathname, response);
    });
    response.once('close', () => clearTimeout(timer));
  }

  const server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    answer(target, wrong) {
      const path = targets[target] ?? '';
      if (wrong === undefined) bad.delete(path);
      else bad.set(path, wrong);
      index++;
      const woken = waiting;
      waiting = [];
      for (const wake of woken) wake();
    },
    requests: () => seen,
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
