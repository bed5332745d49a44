// HTTP/2 frames and gRPC messages as an attacker writes them: by hand, so that any of it can be wrong.
// RFC 9113 section 4.1 (frames), RFC 7541 section 6.2.2 (literals without indexing).

export const frameTypes = {
  data: 0x0,
  headers: 0x1,
  priority: 0x2,
  reset: 0x3,
  settings: 0x4,
  push: 0x5,
  ping: 0x6,
  goaway: 0x7,
  windowUpdate: 0x8,
  continuation: 0x9,
} as const;

export const flags = { none: 0, ack: 0x1, endStream: 0x1, endHeaders: 0x4 } as const;

export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

export interface FrameHead {
  readonly type: number;
  readonly flags?: number;
  readonly stream?: number;
  /** What the frame claims; default the true length. */
  readonly length?: number;
}

export function frame(
  { type, flags: bits = 0, stream = 0, length }: FrameHead,
  body: Uint8Array = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(length ?? body.length, 0, 3);
  head[3] = type;
  head[4] = bits;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, body]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const length: number[] = [127];
  let rest = bytes.length - 127;
  while (rest >= 128) {
    length.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  length.push(rest);
  return Buffer.concat([Buffer.from(length), bytes]);
}

/** A header block of literals. */
export function headerBlock(headers: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(headers.map(([name, value]) => Buffer.concat([Buffer.from([0]), text(name), text(value)])));
}

export const adsPath = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';

/** The request headers of a gRPC call. */
export function grpcHeaders(path: string = adsPath): readonly (readonly [string, string])[] {
  return [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', path],
    [':authority', 'attacker'],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
  ];
}

/** HEADERS that open a gRPC call on a stream. */
export function openCall(stream: number, path: string = adsPath): Buffer {
  return frame({ type: frameTypes.headers, flags: flags.endHeaders, stream }, headerBlock(grpcHeaders(path)));
}

/** DATA frames with one gRPC message; `claimed` is the length that its prefix says. */
export function grpcMessage(
  stream: number,
  body: Uint8Array,
  { claimed = body.length, compressed = 0 }: { readonly claimed?: number; readonly compressed?: number } = {},
): Buffer {
  const head = Buffer.alloc(5);
  head[0] = compressed;
  head.writeUInt32BE(claimed, 1);
  const whole = Buffer.concat([head, body]);
  const frames: Buffer[] = [];
  for (let at = 0; at < whole.length; at += 16_384)
    frames.push(frame({ type: frameTypes.data, stream }, whole.subarray(at, at + 16_384)));
  return Buffer.concat(frames);
}

/** A protobuf field with a body. */
export function field(number: number, body: Uint8Array | string): Buffer {
  const bytes = Buffer.from(body as string);
  const lead: number[] = [];
  for (let rest = number * 8 + 2; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) {
      lead.push(rest);
      break;
    }
    lead.push((rest % 128) + 128);
  }
  for (let rest = bytes.length; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) {
      lead.push(rest);
      break;
    }
    lead.push((rest % 128) + 128);
  }
  return Buffer.concat([Buffer.from(lead), bytes]);
}

const endpoints = 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment';

/** A DeltaDiscoveryRequest for endpoints by name. */
export function subscribeRequest(names: readonly string[], node: Buffer = field(1, 'attacker')): Buffer {
  return Buffer.concat([field(1, node), field(2, endpoints), ...names.map((name) => field(3, name))]);
}

/** A node whose metadata is a Struct nested so deep. */
export function nestedNode(depth: number): Buffer {
  let value = field(3, 'leaf');
  for (let level = 0; level < depth; level++) {
    // Value { 5 struct_value { 1 fields { 1 key, 2 value } } }
    value = field(5, field(1, Buffer.concat([field(1, 'k'), field(2, value)])));
  }
  return Buffer.concat([field(1, 'attacker'), field(3, field(1, Buffer.concat([field(1, 'k'), field(2, value)])))]);
}
