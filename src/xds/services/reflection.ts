// grpc.reflection.v1 and v1alpha ServerReflection: tools such as grpcurl learn from it what is served, and the messages.
// It must not know services. Invariants: descriptors are read when somebody asks and let go with the last stream; a stream is
// sent each file once; one request is answered at a time.
import type { Logger } from '../../util/log.ts';
import { grpcStatus, type Sink, type StreamListener } from '../sink.ts';
import { eachField } from '../wire.ts';
import { field, number as numberField, text } from '../wire-writer.ts';
import { type DescriptorIndex, indexDescriptors } from './descriptor-index.ts';
import { takeTurns } from './turn-taking.ts';

export interface ReflectionDeps {
  readonly log: Logger;
  /** Full names of the services on this port. */
  readonly services: readonly string[];
  /** An encoded google.protobuf.FileDescriptorSet, every import included. */
  readonly descriptors: () => Promise<Uint8Array>;
}

/** The handler of ServerReflectionInfo, in both versions: their messages are alike. */
export function createReflection(deps: ReflectionDeps): (sink: Sink) => StreamListener {
  let loading: Promise<DescriptorIndex> | undefined;
  let streams = 0;

  async function index(): Promise<DescriptorIndex> {
    loading ??= deps.descriptors().then(indexDescriptors);
    try {
      return await loading;
    } catch (error) {
      loading = undefined;
      throw error;
    }
  }

  return (sink) => {
    const sent = new Set<string>();
    streams++;
    const listener = takeTurns(sink, {
      ...{ name: 'reflection', log: deps.log },
      answer: async (bytes) => reflect(await index(), { bytes, sent, services: deps.services }),
    });
    return {
      ...listener,
      closed(reason) {
        listener.closed(reason);
        if (--streams === 0) loading = undefined;
      },
    };
  };
}

interface Request {
  readonly bytes: Buffer;
  readonly sent: Set<string>;
  readonly services: readonly string[];
}

/** ServerReflectionResponse { 1 valid_host, 2 original_request, and one of 4 to 7 }. Throws WireError. */
function reflect(index: DescriptorIndex, { bytes, sent, services }: Request): Buffer {
  let host = '';
  let answer: Buffer | undefined;
  eachField(bytes, [0, bytes.length], ({ number, wireType, start, end }) => {
    if (wireType !== 2) return;
    const name = bytes.toString('utf8', start, end);
    if (number === 1) host = name;
    else if (number === 3) answer = files(index, { name, what: `file ${name}`, sent });
    else if (number === 4) answer = files(index, { name: index.fileOfSymbol(name), what: `symbol ${name}`, sent });
    else if (number === 5) {
      const { type, extension } = decodeExtension(bytes, [start, end]);
      const what = `extension ${extension} of ${type}`;
      answer = files(index, { name: index.fileOfExtension(type, extension), what, sent });
    } else if (number === 6) answer = extensions(index, name);
    else if (number === 7)
      answer = field(
        6,
        services.map((service) => field(1, [field(1, service)])),
      );
  });
  return Buffer.concat([
    text(1, host),
    field(2, bytes),
    answer ?? failure('invalid-argument', 'the request asks for nothing known'),
  ]);
}

interface Wanted {
  readonly name: string | undefined;
  readonly what: string;
  readonly sent: Set<string>;
}

/** What the stream was sent before is left out, but for the file asked for. */
function files(index: DescriptorIndex, { name, what, sent }: Wanted): Buffer {
  const found = name === undefined ? undefined : index.file(name);
  if (found === undefined) return failure('not-found', `${what} is not known`);
  const parts = [...found].flatMap(([file, bytes]) => (file !== name && sent.has(file) ? [] : [field(1, bytes)]));
  for (const file of found.keys()) sent.add(file);
  return field(4, parts);
}

function extensions(index: DescriptorIndex, type: string): Buffer {
  const numbers = index.extensionsOf(type);
  if (numbers === undefined) return failure('not-found', `type ${type} is not known`);
  return field(5, [field(1, type), ...numbers.map((extension) => numberField(2, extension))]);
}

function failure(status: 'not-found' | 'invalid-argument', message: string): Buffer {
  return field(7, [numberField(1, grpcStatus[status]), field(2, message)]);
}

function decodeExtension(bytes: Buffer, range: readonly [number, number]): { type: string; extension: number } {
  let type = '';
  let extension = 0;
  eachField(bytes, range, ({ number, wireType, value, start, end }) => {
    if (number === 1 && wireType === 2) type = bytes.toString('utf8', start, end);
    else if (number === 2 && wireType === 0) extension = value;
  });
  return { type, extension };
}
