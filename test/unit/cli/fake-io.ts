// An Io that touches nothing: files are a map, the server a function, output is kept.
import type { CliDeps, DemoOptions, Io } from '../../../src/cli/io.ts';
import type { SecureFetch } from '../../../src/cli/secure-request.ts';
import type { Config } from '../../../src/model/config.ts';
import { AppError } from '../../../src/util/errors.ts';
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts';

export type FakeServer = (request: {
  method: string;
  path: string;
  token: string | undefined;
  body: string;
}) => { status?: number; body: unknown } | Promise<{ status?: number; body: unknown }>;

export interface FakeIoOptions {
  readonly files?: Readonly<Record<string, string>>;
  readonly environment?: Readonly<Record<string, string>>;
  readonly server?: FakeServer;
  /** Answers what is asked by HTTPS. */
  readonly secureServer?: SecureFetch;
  /** `HOST:PORT`. */
  readonly portsInUse?: readonly string[];
  readonly stdin?: string;
  readonly colour?: boolean;
}

export interface FakeCli {
  readonly deps: CliDeps;
  readonly clock: FakeClock;
  readonly served: Config[];
  readonly demos: DemoOptions[];
  readonly stop: AbortController;
  /** What was written, with its folder; others are `files`. */
  readonly written: Map<string, string>;
  out(): string;
  err(): string;
}

export function createFakeCli(options: FakeIoOptions = {}): FakeCli {
  const files = options.files ?? {};
  const written = new Map<string, string>();
  const out: string[] = [];
  const err: string[] = [];
  const served: Config[] = [];
  const demos: DemoOptions[] = [];
  const stop = new AbortController();
  const clock = createFakeClock();
  const io: Io = {
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
    colour: options.colour ?? false,
    environment: options.environment ?? {},
    clock,
    signal: stop.signal,
    readStdin: async () => options.stdin ?? '',
    readText: (path) => written.get(path) ?? files[path],
    secureFetch: async (request) => {
      if (options.secureServer === undefined) throw new AppError('CH1606', 'no answer');
      return options.secureServer(request);
    },
    secureOpen: async (request) => {
      const { status, body } = await io.secureFetch(request);
      return { status, body: new Blob([body]).stream() };
    },
    privateFiles: {
      folder: async () => {},
      write: async (folder, name, text) => void written.set(`${folder}/${name}`, text),
    },
    portInUse: async ({ address, port }) => options.portsInUse?.includes(`${address}:${port}`) === true,
    isDirectory: (path) => Object.keys(files).some((file) => file.startsWith(`${path.replace(/\/+$/, '')}/`)),
    listFiles: (path) =>
      Object.keys(files)
        .filter((file) => file.startsWith(`${path}/`))
        .map((file) => file.slice(path.length + 1))
        .sort(),
    fetch: async (url, init) => {
      if (options.server === undefined) throw new TypeError('fetch failed');
      const { method = 'GET', headers = {}, body = '' } = init ?? {};
      const token = (headers as Record<string, string>)['authorization']?.replace('Bearer ', '');
      const { host, pathname, search } = new URL(String(url));
      const answer = await options.server({ method, path: `${host}${pathname}${search}`, token, body: String(body) });
      const text = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body);
      return new Response(text, { status: answer.status ?? 200 });
    },
  };
  const deps: CliDeps = {
    io,
    version: '1.2.3',
    descriptorSet: () => new Uint8Array(),
    serve: async (config) => {
      served.push(config);
      return 0;
    },
    demo: async (demo) => {
      demos.push(demo);
      return 0;
    },
  };
  return { deps, clock, served, demos, stop, written, out: () => out.join(''), err: () => err.join('') };
}
