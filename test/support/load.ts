// Constant load for tests: an open loop at a fixed rate against loopback, bounded in count and time, every outcome kept.
// Open loop: a slow answer does not slow the sending, so an outage shows as the failures it is.
import { Agent, request } from 'node:http';

export interface LoadOptions {
  readonly port: number;
  readonly host?: string;
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly perSecond: number;
  /** Hard end; `stop` may come before. */
  readonly maxSeconds: number;
}

export interface LoadResult {
  readonly sent: number;
  readonly failed: number;
  /** `status 503`, `ECONNRESET`, ... and how often. */
  readonly failures: Readonly<Record<string, number>>;
  /** Who answered, by x-backend. */
  readonly answered: Readonly<Record<string, number>>;
}

export interface Load {
  stop(): Promise<LoadResult>;
  soFar(): LoadResult;
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface RequestOptions {
  readonly port: number;
  readonly host?: string;
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly agent?: Agent;
  readonly timeoutMs?: number;
}

/** One request to loopback; rejects on a broken connection or time-out. */
export function ask(options: RequestOptions): Promise<Reply> {
  const { port, path = '/', method = 'GET', headers = {}, agent, timeoutMs = 5000 } = options;
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: '127.0.0.1',
        port,
        path,
        method,
        headers: { ...headers, ...(options.host === undefined ? {} : { host: options.host }) },
        ...(agent === undefined ? { agent: false } : { agent }),
        timeout: timeoutMs,
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.once('error', reject);
        incoming.once('end', () =>
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: Buffer.concat(chunks).toString(),
          }),
        );
      },
    );
    outgoing.once('timeout', () => outgoing.destroy(Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' })));
    outgoing.once('error', reject);
    outgoing.end();
  });
}

export function startLoad(options: LoadOptions): Load {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const failures: Record<string, number> = {};
  const answered: Record<string, number> = {};
  const running = new Set<Promise<void>>();
  let sent = 0;
  let failed = 0;

  const fail = (reason: string): void => {
    failed++;
    failures[reason] = (failures[reason] ?? 0) + 1;
  };
  function send(): void {
    sent++;
    const one = ask({ ...options, agent }).then(
      (reply) => {
        if (reply.status !== 200) return fail(`status ${reply.status} ${reply.body.slice(0, 80)}`);
        const who = String(reply.headers['x-backend'] ?? '');
        answered[who] = (answered[who] ?? 0) + 1;
      },
      (error: NodeJS.ErrnoException) => fail(error.code ?? error.message),
    );
    running.add(one);
    void one.finally(() => running.delete(one));
  }

  const start = performance.now();
  const timer = setInterval(() => {
    const elapsed = (performance.now() - start) / 1000;
    if (elapsed > options.maxSeconds) clearInterval(timer);
    else while (sent < elapsed * options.perSecond) send();
  }, 5);
  const soFar = (): LoadResult => ({ sent, failed, failures: { ...failures }, answered: { ...answered } });
  return {
    soFar,
    async stop() {
      clearInterval(timer);
      await Promise.all(running);
      agent.destroy();
      return soFar();
    },
  };
}
