// Registers the applications as a user would: over the registry's HTTP API, in Consul's own shape.
// Invariant: a registration that the registry does not take is an error, at once.
import { AppError } from '../util/errors.ts';
import type { Client } from './request.ts';
import type { Application } from './services.ts';

export interface Registrations {
  register(application: Application, sidecarPort: number): Promise<void>;
  /** Takes the sidecar out with it. */
  deregister(instance: string): Promise<void>;
  setHealth(instance: string, health: 'passing' | 'critical'): Promise<void>;
}

export const checkId = (instance: string): string => `service:${instance}`;

/** Body of `PUT /v1/agent/service/register`: the instance and, at once, the sidecar that stands before it. */
export function registration(application: Application, sidecarPort: number): object {
  const { service, instance, version, port } = application;
  return {
    Name: service,
    ID: instance,
    Address: '127.0.0.1',
    Port: port,
    Meta: { version },
    Check: { CheckID: checkId(instance), TTL: '24h', Status: 'passing' },
    Connect: { SidecarService: { Port: sidecarPort } },
  };
}

export function createRegistrations(client: Client, registryPort: number): Registrations {
  const put = async (path: string, body: unknown = {}): Promise<void> => {
    const { status, body: text } = await client.put(registryPort, `/v1/agent/${path}`, body);
    if (status !== 200) throw new AppError('CH1611', `the registry answered ${status} to ${path}: ${text}`);
  };
  return {
    register: (application, sidecarPort) => put('service/register', registration(application, sidecarPort)),
    deregister: (instance) => put(`service/deregister/${instance}`),
    setHealth: (instance, health) => put(`check/${health === 'passing' ? 'pass' : 'fail'}/${checkId(instance)}`),
  };
}
