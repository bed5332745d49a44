// gRPC servers for tests: each answers every method it knows with its own name.
import { Server, ServerCredentials } from '@grpc/grpc-js';

export interface GrpcBackend extends AsyncDisposable {
  readonly name: string;
  readonly port: number;
}

const methods = ['/test.Who/Ask', '/test.Who/Tell', '/test.Other/Ask'];

export async function startGrpcBackend(name: string): Promise<GrpcBackend> {
  const server = new Server();
  const pass = (bytes: Buffer): Buffer => bytes;
  const answer = (_call: unknown, done: (error: null, reply: Buffer) => void): void => done(null, Buffer.from(name));
  for (const method of methods) server.register(method, answer, pass, pass, 'unary');
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return {
    name,
    port,
    async [Symbol.asyncDispose]() {
      server.forceShutdown();
      await Promise.resolve();
    },
  };
}
