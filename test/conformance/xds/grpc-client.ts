// A discovery client over a real gRPC connection: one stream, messages encoded and decoded by the protobuf library, so
// that our own codecs are checked against it. Invariant: every response is kept in order; nothing is acknowledged unasked.
import { readFileSync } from 'node:fs';
import { fromBinary, type Message } from '@bufbuild/protobuf';
import {
  type ChannelCredentials,
  Client,
  type ClientDuplexStream,
  credentials,
  Metadata,
  type StatusObject,
} from '@grpc/grpc-js';
import { createProtos } from '../../../src/resources/protos.ts';
import { shortNames, type TypeUrl } from '../../../src/resources/type-urls.ts';
import { streamMethods } from '../../../src/xds/methods.ts';
import { eventually } from '../../support/eventually.ts';
import type { Channel } from './envoy-world.ts';

export const protos = createProtos(readFileSync(new URL('../../../src/gen/envoy.binpb', import.meta.url)));

export interface Answer {
  readonly type: string;
  readonly nonce: string;
  readonly version: string;
  readonly identifier: string;
  /** name -> content of the Any; SotW has no names: content is its own key. */
  readonly resources: readonly {
    readonly name: string;
    readonly version: string;
    readonly typeUrl: string;
    /** Empty where the resource has no body. */
    readonly content: string;
    readonly aliases: readonly string[];
  }[];
  readonly removed: readonly string[];
}

export interface GrpcClient extends AsyncDisposable {
  /** A request in proto3 JSON field names; `node` is added to the first. */
  send(request: object): void;
  sendBytes(bytes: Uint8Array): void;
  /** The next response, waited for. */
  next(): Promise<Answer>;
  /** Responses not read yet. */
  waiting(): number;
  /** How the stream ended, waited for. */
  ended(): Promise<StatusObject>;
  readonly call: ClientDuplexStream<Buffer, Buffer>;
  readonly client: Client;
}

export const requestNames = {
  sotw: 'envoy.service.discovery.v3.DiscoveryRequest',
  delta: 'envoy.service.discovery.v3.DeltaDiscoveryRequest',
} as const;

interface Any {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}
interface AnyResource {
  readonly name: string;
  readonly version: string;
  readonly aliases: readonly string[];
  readonly resource?: Any;
}
interface AnyResponse extends Message {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly versionInfo?: string;
  readonly controlPlane?: { readonly identifier: string };
  readonly resources: readonly (Any | AnyResource)[];
  readonly removedResources?: readonly string[];
}

function decode(variant: 'sotw' | 'delta', bytes: Buffer): Answer {
  const name = variant === 'sotw' ? 'DiscoveryResponse' : 'DeltaDiscoveryResponse';
  const message = fromBinary(protos.message(`envoy.service.discovery.v3.${name}`), bytes) as AnyResponse;
  if ((message.$unknown ?? []).length > 0) throw new Error('the response has unknown fields');
  const text = (any: Any): string => Buffer.from(any.value).toString();
  return {
    type: message.typeUrl,
    nonce: message.nonce,
    version: message.versionInfo ?? '',
    identifier: message.controlPlane?.identifier ?? '',
    resources: message.resources.map((item) =>
      'version' in item
        ? {
            ...{ name: item.name, version: item.version, aliases: item.aliases },
            typeUrl: item.resource?.typeUrl ?? '',
            content: item.resource === undefined ? '' : text(item.resource),
          }
        : {
            name: text(item).split(':')[0] ?? '',
            version: '',
            aliases: [],
            typeUrl: item.typeUrl,
            content: text(item),
          },
    ),
    removed: message.removedResources ?? [],
  };
}

/** The gRPC path of the stream that carries the type. */
export function methodPath(channel: Channel, type: TypeUrl): string {
  const method = streamMethods.find(
    (one) => one.variant === channel.variant && one.type === (channel.aggregated ? undefined : type),
  );
  if (method === undefined) throw new Error(`no method for ${shortNames[type]}`);
  return `/${method.service}/${method.method}`;
}

export interface ConnectOptions {
  readonly port: number;
  readonly channel: Channel;
  /** Which stream, where each type has its own. */
  readonly type: TypeUrl;
  readonly node?: object | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: plaintext. */
  readonly security?: ChannelCredentials;
  /** Another stream on the connection of this one, which outlives it. */
  readonly on?: GrpcClient;
}

/** Headers as gRPC has them. */
export function metadataOf(headers: Readonly<Record<string, string>> = {}): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  return metadata;
}

export function connect({
  port,
  channel,
  type,
  node = { id: 'client', cluster: 'test' },
  ...more
}: ConnectOptions): GrpcClient {
  // A connection of its own, as each proxy has.
  const options = { 'grpc.use_local_subchannel_pool': 1 };
  const client =
    more.on?.client ?? new Client(`127.0.0.1:${port}`, more.security ?? credentials.createInsecure(), options);
  const asIs = (bytes: Buffer): Buffer => bytes;
  const call = client.makeBidiStreamRequest(methodPath(channel, type), asIs, asIs, metadataOf(more.headers));
  const answers: Answer[] = [];
  let status: StatusObject | undefined;
  let first = true;
  call.on('data', (bytes: Buffer) => answers.push(decode(channel.variant, bytes)));
  call.on('status', (end: StatusObject) => {
    status = end;
  });
  call.on('error', () => {});
  return {
    ...{ call, client },
    sendBytes: (bytes) => void call.write(Buffer.from(bytes)),
    send(request) {
      const whole = first && node !== undefined ? { node, ...request } : request;
      first = false;
      call.write(Buffer.from(protos.encode(requestNames[channel.variant], whole)));
    },
    next: () => eventually(() => answers.shift()),
    waiting: () => answers.length,
    ended: () => eventually(() => status),
    async [Symbol.asyncDispose]() {
      call.cancel();
      if (more.on === undefined) client.close();
    },
  };
}
