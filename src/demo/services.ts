// The sample applications: small HTTP servers in this process that say who they are, and whose certificate their sidecar
// saw. `web` also asks `api`, through its sidecar's local port. They know nothing of Chancery. Invariant: an answer names service, version and instance.
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Client } from './request.ts';

export interface ApplicationOptions {
  readonly service: string;
  readonly version: string;
  readonly instance: string;
  /** Local port of the sidecar under which `api` is reached. */
  readonly apiPort?: number;
}

export interface Application extends ApplicationOptions {
  readonly port: number;
  close(): Promise<void>;
}

/** The caller's name in `x-forwarded-client-cert`, which a sidecar writes anew; undefined without a certificate. */
function callerOf({ headers }: IncomingMessage): string | undefined {
  return /(?:^|;)URI=([^;,"]+)/.exec(String(headers['x-forwarded-client-cert'] ?? ''))?.[1];
}

export async function startApplication(client: Client, options: ApplicationOptions): Promise<Application> {
  const { service, version, instance, apiPort } = options;
  const answer = async (request: IncomingMessage): Promise<object> => {
    const self = {
      service,
      version,
      instance,
      path: request.url,
      proxied: request.headers['x-request-id'] !== undefined,
      caller: callerOf(request),
    };
    if (apiPort === undefined) return self;
    const { status, json } = await client.get(apiPort, '/', { host: 'api' });
    return { ...self, api: { status, ...json } };
  };
  const server: Server = createServer((request, response) => {
    request.resume();
    answer(request).then(
      (body) => response.writeHead(200, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  // Envoy keeps idle connections for an hour; an application that hangs up first races with the next request.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    ...options,
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
