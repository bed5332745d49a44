// Registering in anything that speaks Consul's HTTP API, as a service's own start script would: one TTL check, told at once.
import type { RigInstance } from './source-rig.ts';

export interface ConsulHttp {
  call(method: string, path: string, body?: unknown): Promise<void>;
  register(instance: RigInstance): Promise<void>;
  deregister(id: string): Promise<void>;
}

const statuses = { healthy: 'passing', warning: 'warning', critical: 'critical' } as const;

/** `url` is asked anew at each call: the registry may come back elsewhere. */
export function createConsulHttp(url: () => string): ConsulHttp {
  async function call(method: string, path: string, body?: unknown): Promise<void> {
    const response = await fetch(url() + path, {
      method,
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  }
  return {
    call,
    async register({ service, id, address, port, health = 'healthy', weight = 1, metadata = {} }) {
      await call('PUT', '/v1/agent/service/register', {
        ID: id,
        Name: service,
        Address: address,
        Port: port,
        Meta: metadata,
        Weights: { Passing: weight, Warning: weight },
        Check: { CheckID: `${id}-ttl`, TTL: '10m', Status: statuses[health] },
      });
      // A registration does not change the status of a check that is there already; a TTL update does, and is kept on disk.
      await call('PUT', `/v1/agent/check/update/${id}-ttl`, { Status: statuses[health] });
    },
    deregister: (id) => call('PUT', `/v1/agent/service/deregister/${id}`),
  };
}
