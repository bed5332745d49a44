// Calls the services beside discovery over real gRPC, messages encoded and decoded by the protobuf library.
// Invariant: answers are kept in order; every call is ended by disposing it.
import { fromBinary, toJson } from '@bufbuild/protobuf';
import {
  type ChannelCredentials,
  Client,
  type ClientDuplexStream,
  credentials,
  type StatusObject,
} from '@grpc/grpc-js';
import { eventually } from '../../support/eventually.ts';
import { metadataOf, protos } from './grpc-client.ts';

export interface Method {
  /** `/package.Service/Method` */
  readonly path: string;
  readonly request: string;
  readonly response: string;
}

export type Json = Record<string, unknown>;

export interface ServiceCall extends AsyncDisposable {
  send(request: object): void;
  sendBytes(bytes: Uint8Array): void;
  /** The next answer as proto3 JSON, waited for. */
  next(): Promise<Json>;
  waiting(): number;
  half(): void;
  ended(): Promise<StatusObject>;
}

const asIs = (bytes: Buffer): Buffer => bytes;

/** A stream; a unary method is one with a single answer. */
export function call(
  port: number,
  { path, request, response }: Method,
  headers: Readonly<Record<string, string>> = {},
  security: ChannelCredentials = credentials.createInsecure(),
): ServiceCall {
  const client = new Client(`127.0.0.1:${port}`, security, {
    'grpc.max_receive_message_length': -1,
  });
  const stream: ClientDuplexStream<Buffer, Buffer> = client.makeBidiStreamRequest(
    path,
    asIs,
    asIs,
    metadataOf(headers),
  );
  const answers: Json[] = [];
  let status: StatusObject | undefined;
  stream.on('data', (bytes: Buffer) => {
    const desc = protos.message(response);
    answers.push(toJson(desc, fromBinary(desc, bytes), { registry: protos.registry }) as Json);
  });
  stream.on('status', (end: StatusObject) => {
    status = end;
  });
  stream.on('error', () => {});
  return {
    send: (json) => void stream.write(Buffer.from(protos.encode(request, json))),
    sendBytes: (bytes) => void stream.write(Buffer.from(bytes)),
    next: () => eventually(() => answers.shift()),
    waiting: () => answers.length,
    half: () => void stream.end(),
    ended: () => eventually(() => status),
    async [Symbol.asyncDispose]() {
      stream.cancel();
      client.close();
    },
  };
}
