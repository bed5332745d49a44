// A program with grpc-js and its xDS support, driven by the tests over HTTP: it calls what it is told to call and says who
// answered. It knows nothing of the control plane but what GRPC_XDS_BOOTSTRAP_CONFIG says.
// A process of its own: the library keeps one xDS client for the whole process.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import {
  type ChannelOptions,
  Client,
  credentials,
  Metadata,
  ServerCredentials,
  type ServiceError,
} from '@grpc/grpc-js';
import { register, XdsServer } from '@grpc/grpc-js-xds';
import type { ClientAnswer, ClientCommand } from '../command.ts';

register();

const clients = new Map<string, Client>();
const servers: XdsServer[] = [];
const pass = (bytes: Buffer): Buffer => bytes;

function clientOf(target: string, idleMs: number): Client {
  const known = clients.get(target);
  if (known !== undefined) return known;
  const options: ChannelOptions = idleMs > 0 ? { 'grpc.client_idle_timeout_ms': idleMs } : {};
  const made = new Client(target, credentials.createInsecure(), options);
  clients.set(target, made);
  return made;
}

function ask(client: Client, command: Extract<ClientCommand, { do: 'call' }>): Promise<string | ServiceError> {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(command.headers)) metadata.set(name, value);
  const deadline = Date.now() + command.deadlineMs;
  return new Promise((resolve) => {
    client.makeUnaryRequest(command.method, pass, pass, Buffer.alloc(0), metadata, { deadline }, (error, reply) =>
      resolve(error ?? (reply ?? Buffer.alloc(0)).toString()),
    );
  });
}

async function call(command: Extract<ClientCommand, { do: 'call' }>): Promise<ClientAnswer> {
  const client = clientOf(command.target, command.idleMs);
  const seen: Record<string, number> = {};
  const failed: Record<string, number> = {};
  let last = '';
  for (let i = 0; i < command.count; i++) {
    const result = await ask(client, command);
    if (typeof result === 'string') seen[result] = (seen[result] ?? 0) + 1;
    else {
      failed[result.code] = (failed[result.code] ?? 0) + 1;
      last = result.message;
    }
  }
  return { seen, failed, last };
}

async function serve({ address, name }: Extract<ClientCommand, { do: 'serve' }>): Promise<ClientAnswer> {
  const server = new XdsServer();
  servers.push(server);
  const handler = (_call: unknown, done: (error: null, reply: Buffer) => void): void => done(null, Buffer.from(name));
  server.register('/test.Who/Ask', handler, pass, pass, 'unary');
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    );
  });
  return { seen: {}, failed: {}, last: '' };
}

async function run(command: ClientCommand): Promise<ClientAnswer> {
  if (command.do === 'call') return await call(command);
  if (command.do === 'serve') return await serve(command);
  clients.get(command.target)?.close();
  clients.delete(command.target);
  return { seen: {}, failed: {}, last: '' };
}

const control = createServer((request, response) => {
  void json(request)
    .then((command) => run(command as ClientCommand))
    .then(
      (result) => response.end(JSON.stringify(result)),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
});
control.listen(0, '127.0.0.1', () => console.log(`control ${(control.address() as AddressInfo).port}`));
