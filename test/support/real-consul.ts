// Starts a real Consul agent on free loopback ports. Without a data folder it is a `-dev` agent that forgets all when it
// ends (its index starts again from low numbers); with one, a single server that remembers.
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from './eventually.ts';
import { freePorts } from './free-port.ts';
import { partPath } from './part-path.ts';
import { type RunningProcess, startProcess } from './process.ts';
import { createTempDir } from './temp-dir.ts';

export interface ConsulOptions {
  /** Default-deny ACLs; `token` of the handle is the management token. */
  readonly acl?: boolean;
  /** Keeps its data there; the caller removes the folder. */
  readonly dataDir?: string;
  /** HTTP port; default a free one. */
  readonly port?: number;
  /** More configuration, merged over ours. */
  readonly config?: Readonly<Record<string, unknown>>;
}

export interface RunningConsul extends RunningProcess {
  /** `127.0.0.1:PORT`. */
  readonly address: string;
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly port: number;
  readonly dnsPort: number;
  /** The management token with `acl`, else the empty string. */
  readonly token: string;
  /** Calls the HTTP API with the token; JSON in, JSON (or text) out; throws on a status of 400 and above. */
  call(method: string, path: string, body?: unknown): Promise<unknown>;
  /** A new agent on the same ports (and data, where a folder was given); stop or kill this one first. */
  again(): Promise<RunningConsul>;
}

interface Ports {
  readonly http: number;
  readonly dns: number;
  readonly serf: number;
  readonly server: number;
}

/** Resolves when the agent has a leader and answers. */
export async function startConsul(options: ConsulOptions = {}): Promise<RunningConsul> {
  const [http = 0, dns = 0, serf = 0, server = 0] = await freePorts(4);
  const ports = { http: options.port ?? http, dns, serf, server };
  return start(options, ports, options.acl === true ? randomUUID() : '');
}

async function start(options: ConsulOptions, ports: Ports, token: string): Promise<RunningConsul> {
  const dir = createTempDir('consul');
  const file = join(dir.path, 'agent.json');
  writeFileSync(
    file,
    JSON.stringify({
      ports: {
        http: ports.http,
        dns: ports.dns,
        serf_lan: ports.serf,
        serf_wan: -1,
        server: ports.server,
        grpc: -1,
        grpc_tls: -1,
      },
      performance: { raft_multiplier: 1 },
      disable_update_check: true,
      enable_debug: false,
      leave_on_terminate: false,
      ...(options.acl
        ? { acl: { enabled: true, default_policy: 'deny', tokens: { initial_management: token, agent: token } } }
        : {}),
      ...options.config,
    }),
  );
  const mode =
    options.dataDir === undefined ? ['-dev'] : ['-server', '-bootstrap-expect=1', '-data-dir', options.dataDir];
  const child = await startProcess('consul', [
    partPath('consul'),
    'agent',
    ...mode,
    ...['-bind', '127.0.0.1', '-client', '127.0.0.1', '-node', 'node-1', '-log-level', 'warn', '-config-file', file],
  ]);
  void child.ended().then(() => dir.remove());
  const address = `127.0.0.1:${ports.http}`;
  const url = `http://${address}`;
  const call = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const response = await fetch(url + path, {
      method,
      headers: token === '' ? {} : { 'X-Consul-Token': token },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    if (response.status >= 400) throw new Error(`Consul ${method} ${path}: ${response.status} ${text}`);
    return (response.headers.get('content-type') ?? '').includes('json') && text !== '' ? JSON.parse(text) : text;
  };
  try {
    await eventually(
      async () => {
        if (child.exit() !== undefined) return true;
        if ((await call('GET', '/v1/status/leader')) === '') return false;
        // A leader that cannot write yet is no leader: its own node must be in the catalog.
        const nodes = await call('GET', '/v1/catalog/nodes');
        return Array.isArray(nodes) && nodes.length > 0;
      },
      { deadlineMs: 30_000 },
    );
  } catch (error) {
    await child.kill();
    throw new Error(`Consul did not get ready; it wrote:\n${child.logs()}`, { cause: error });
  }
  if (child.exit() !== undefined) throw new Error(`Consul ended with ${child.exit()}; it wrote:\n${child.logs()}`);
  return {
    ...child,
    address,
    url,
    port: ports.http,
    dnsPort: ports.dns,
    token,
    call,
    again: () => start(options, ports, token),
  };
}
