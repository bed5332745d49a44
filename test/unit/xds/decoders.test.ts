// Every decoder of what clients send: equal to the protobuf library on messages, and on anything else a value or one kind of
// error, with what is kept bounded. TEST_RUNS multiplies the cases.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { putVarint } from '../../../src/resources/wire.ts';
import { createNameLists, type NameList, type NameMemory } from '../../../src/xds/name-lists.ts';
import { decodeNode } from '../../../src/xds/node.ts';
import { decodeDelta, decodeSotw } from '../../../src/xds/requests.ts';
import { RestRequestError, readRequest } from '../../../src/xds/rest/rest-request.ts';
import { decodeLoadRequest } from '../../../src/xds/services/load-report.ts';
import { decodeNodeMatcher } from '../../../src/xds/services/node-matcher.ts';
import { eachField, WireError } from '../../../src/xds/wire.ts';
import { field } from '../../../src/xds/wire-writer.ts';
import { propertyParameters } from '../../support/property-runs.ts';
import { testProtos } from '../../support/protos.ts';

const discovery = 'envoy.service.discovery.v3';
const encode = (type: string, json: object): Buffer => Buffer.from(testProtos().encode(type, json));

const word = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((text) => !text.startsWith('xdstp:'));
const words = fc.array(word, { maxLength: 8 });
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    word,
    fc.boolean(),
    fc.constant(null),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(
      word.filter((text) => text !== '__proto__'),
      tie('value'),
      { maxKeys: 3 },
    ),
  ),
})).value;
/** The library itself loses a field of this name when it encodes JSON. */
const key = word.filter((text) => text !== '__proto__');
const struct = fc.dictionary(key, json, { maxKeys: 4 });
const error = fc.option(fc.record({ code: fc.nat(16), message: word }), { nil: undefined });
const node = fc.record({
  ...{ id: word, cluster: word, metadata: struct, userAgentName: word, clientFeatures: words },
  locality: fc.record({ region: word, zone: word, subZone: word }),
  userAgentBuildVersion: fc.record({
    version: fc.record({ majorNumber: fc.nat(99), minorNumber: fc.nat(99), patch: fc.nat(99) }),
  }),
});

const unique = (names: readonly string[]): string[] => [...new Set(names)];
/** Zero is written without a sign: the wire has two. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value)) as unknown;

describe('as the library reads', () => {
  it('DiscoveryRequest, whole or in parts, with or without a memory of lists', () => {
    const lists = createNameLists();
    let last: readonly NameList[] = [];
    const part = fc.record({ versionInfo: word, resourceNames: words, typeUrl: word, responseNonce: word });
    fc.assert(
      fc.property(part, part, error, (one, two, errorDetail) => {
        const type = `${discovery}.DiscoveryRequest`;
        const bytes = Buffer.concat([encode(type, one), encode(type, { ...two, errorDetail })]);
        const read = testProtos().decode(type, bytes) as Partial<typeof one> & { errorDetail?: object };
        const expected = {
          ...{ versionInfo: read.versionInfo ?? '', typeUrl: read.typeUrl ?? '', nonce: read.responseNonce ?? '' },
          names: unique(read.resourceNames ?? []),
        };
        const memory: NameMemory = { lists, last };
        for (const request of [decodeSotw(bytes), decodeSotw(bytes, memory), decodeSotw(bytes, memory)]) {
          expect(request).toMatchObject(expected);
          expect(request.error).toEqual(errorDetail);
          if (request.list !== undefined) last = [request.list];
        }
      }),
      propertyParameters(200),
    );
  });
  it('DeltaDiscoveryRequest, whole or in parts', () => {
    const part = fc.record({
      ...{ typeUrl: word, responseNonce: word, resourceNamesSubscribe: words, resourceNamesUnsubscribe: words },
      initialResourceVersions: fc.dictionary(key, word, { maxKeys: 4, noNullPrototype: true }),
    });
    fc.assert(
      fc.property(part, part, error, (one, two, errorDetail) => {
        const type = `${discovery}.DeltaDiscoveryRequest`;
        const bytes = Buffer.concat([encode(type, one), encode(type, { ...two, errorDetail })]);
        const read = testProtos().decode(type, bytes) as Partial<typeof one>;
        const request = decodeDelta(bytes);
        expect(request).toMatchObject({
          ...{ typeUrl: read.typeUrl ?? '', nonce: read.responseNonce ?? '' },
          subscribe: unique(read.resourceNamesSubscribe ?? []),
          unsubscribe: unique(read.resourceNamesUnsubscribe ?? []),
        });
        expect(request.error).toEqual(errorDetail);
        expect([...request.versions].sort()).toEqual(Object.entries(read.initialResourceVersions ?? {}).sort());
      }),
      propertyParameters(200),
    );
  });
  it('Node, by protobuf and by REST', () => {
    fc.assert(
      fc.property(node, (one) => {
        const { majorNumber, minorNumber, patch } = one.userAgentBuildVersion.version;
        const expected = {
          ...{ nodeId: one.id, nodeCluster: one.cluster, locality: one.locality, userAgentName: one.userAgentName },
          ...{ userAgentVersion: `${majorNumber}.${minorNumber}.${patch}`, clientFeatures: one.clientFeatures },
        };
        const bytes = encode('envoy.config.core.v3.Node', one);
        const claims = decodeNode(bytes);
        expect(claims).toMatchObject(expected);
        expect(plain(claims.metadata)).toEqual(plain(one.metadata));
        fc.pre(one.id !== '');
        const polled = readRequest(JSON.stringify({ node: one })).claims;
        expect(polled).toMatchObject(expected);
        expect(plain(polled.metadata)).toEqual(plain(one.metadata));
      }),
      propertyParameters(200),
    );
  });
});

const decoders: Readonly<Record<string, (bytes: Buffer) => unknown>> = {
  sotw: decodeSotw,
  delta: decodeDelta,
  remembered: (bytes) => decodeSotw(bytes, { lists: createNameLists(), last: [] }),
  node: decodeNode,
  load: decodeLoadRequest,
  matcher: (bytes) => decodeNodeMatcher(bytes, [0, bytes.length]),
  fields: (bytes) => eachField(bytes, [0, bytes.length], () => undefined),
};

const seeds: readonly Buffer[] = [
  encode(`${discovery}.DeltaDiscoveryRequest`, {
    node: { id: 'n', metadata: { a: { b: [1, 'x', null, { c: true }] } }, locality: { zone: 'z' } },
    ...{ typeUrl: 't', resourceNamesSubscribe: ['a', 'b', 'c'], resourceNamesUnsubscribe: ['d'] },
    ...{ initialResourceVersions: { a: '1', b: '2' }, responseNonce: 'e-1', errorDetail: { code: 3, message: 'm' } },
  }),
  encode(`${discovery}.DiscoveryRequest`, { versionInfo: 'v', resourceNames: ['a', 'b', 'c'], typeUrl: 't' }),
  encode('envoy.config.core.v3.Node', { id: 'n', metadata: { deep: { deeper: { list: [[[1]]] } } } }),
  encode('envoy.service.load_stats.v3.LoadStatsRequest', {
    node: { id: 'n' },
    clusterStats: [{ clusterName: 'a', upstreamLocalityStats: [{ totalIssuedRequests: '7' }] }],
  }),
  encode('envoy.type.matcher.v3.NodeMatcher', {
    nodeId: { prefix: 'web' },
    nodeMetadatas: [
      { path: [{ key: 'a' }], value: { orMatch: { valueMatchers: [{ boolMatch: true }, { nullMatch: {} }] } } },
    ],
  }),
];

const varint = fc.oneof(fc.nat(300), fc.maxSafeNat(), fc.constantFrom(2 ** 31, 2 ** 32, 2 ** 53 - 1)).map((value) => {
  const target = Buffer.alloc(10);
  return target.subarray(0, putVarint(target, 0, value));
});
const endless = fc.integer({ min: 1, max: 12 }).map((size) => Buffer.alloc(size, 0xff));
/** Fields with any number, wire type and length, true or not: what a mutation of a valid message seldom reaches. */
const fields = fc
  .array(
    fc
      .tuple(fc.nat(12), fc.nat(7), fc.oneof(varint, endless), fc.uint8Array({ maxLength: 24 }))
      .map(([at, wire, size, body]) => Buffer.concat([Buffer.from([(at * 8 + wire) & 0x7f]), size, body])),
    { maxLength: 12 },
  )
  .map((parts) => Buffer.concat(parts));
/** Bits flipped, cut off, doubled, one put into a field of another. */
const damaged = fc
  .tuple(
    fc.constantFrom(...seeds),
    fc.constantFrom(...seeds),
    fc.array(fc.tuple(fc.nat(), fc.nat(7)), { maxLength: 6 }),
    fc.record({ cut: fc.option(fc.nat()), doubled: fc.boolean(), into: fc.option(fc.integer({ min: 1, max: 10 })) }),
  )
  .map(([one, other, flips, { cut, doubled, into }]) => {
    const parts = [one, ...(doubled ? [one] : []), ...(into === null ? [] : [field(into, other)])];
    const bytes = Buffer.concat(parts);
    for (const [at, bit] of flips) {
      const index = at % bytes.length;
      bytes[index] = (bytes[index] ?? 0) ^ (1 << bit);
    }
    return cut === null ? bytes : bytes.subarray(0, cut % bytes.length);
  });
const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  fields,
  damaged,
);

/** Characters of all texts in a value. */
function textIn(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (value === null || typeof value !== 'object' || Buffer.isBuffer(value)) return 0;
  const inner = value instanceof Map ? [...value].flat() : Object.entries(value).flat();
  return inner.reduce((sum: number, one) => sum + textIn(one), 0);
}

describe('any bytes', () => {
  it.each(Object.keys(decoders))('%s: give a value no larger than they are, or a WireError', (name) => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        const before = Buffer.from(bytes);
        try {
          // Key names of the value count too: a few hundred characters.
          expect(textIn(decoders[name]?.(bytes))).toBeLessThanOrEqual(bytes.length * 4 + 1_000);
        } catch (thrown) {
          if (!(thrown instanceof WireError)) throw thrown;
        }
        expect(bytes.equals(before), 'the bytes are not changed').toBe(true);
      }),
      propertyParameters(300),
    );
  });
  it('polls: give a value or a RestRequestError', () => {
    const body = fc.oneof(
      fc.string(),
      fc.json(),
      node.map((one) => JSON.stringify({ node: one })),
      fc
        .tuple(node, fc.jsonValue(), fc.constantFrom('resource_names', 'errorDetail', 'typeUrl', 'node'))
        .map(([one, value, key]) => JSON.stringify({ node: one, [key]: value })),
    );
    fc.assert(
      fc.property(body, (text) => {
        try {
          readRequest(text);
        } catch (thrown) {
          if (!(thrown instanceof RestRequestError)) throw thrown;
        }
      }),
      propertyParameters(300),
    );
  });
});

/** `levels` structs, each the only field of the one before. */
function nested(levels: number): Buffer {
  const pieces: Buffer[] = [];
  let size = 0;
  const wrap = (number: number): void => {
    const head = Buffer.alloc(11);
    head[0] = number * 8 + 2;
    const length = putVarint(head, 1, size);
    pieces.push(head.subarray(0, length));
    size += length;
  };
  for (let level = 0; level < levels; level++) for (const number of [5, 2, 1]) wrap(number);
  wrap(3);
  return Buffer.concat(pieces.reverse());
}

describe('too much', () => {
  it('T22: deep metadata is refused, never followed to the end', () => {
    expect(() => decodeNode(nested(5))).not.toThrow();
    for (const levels of [40, 1_000, 200_000]) expect(() => decodeNode(nested(levels))).toThrow(WireError);
    const deep = (open: string, close: string, levels: number): string =>
      `{"node":{"id":"n","metadata":{"a":${open.repeat(levels)}1${close.repeat(levels)}}}}`;
    for (const levels of [40, 1_000, 200_000])
      for (const [open, close] of [
        ['[', ']'],
        ['{"a":', '}'],
      ] as const)
        expect(() => readRequest(deep(open, close, levels))).toThrow(RestRequestError);
  });
  it('wide metadata is refused', () => {
    const wide = (count: number): Buffer =>
      encode('envoy.config.core.v3.Node', { id: 'n', metadata: { list: Array.from({ length: count }, () => null) } });
    expect(() => decodeNode(wide(1_000))).not.toThrow();
    expect(() => decodeNode(wide(30_000))).toThrow(WireError);
  });
  it('sixty-four thousand names are read, two hundred thousand and one are not', () => {
    const names = (count: number, number: number): Buffer =>
      Buffer.concat(Array.from({ length: count }, (_, index) => field(number, `name-${index}`)));
    const some = names(65_536, 3);
    expect(decodeSotw(some).names).toHaveLength(65_536);
    expect(decodeDelta(some).subscribe).toHaveLength(65_536);
    expect(decodeDelta(names(65_536, 4)).unsubscribe).toHaveLength(65_536);
    const many = Buffer.alloc(200_001 * 3, Buffer.from([3 * 8 + 2, 1, 97]));
    for (const decode of [decodeSotw, decodeDelta]) expect(() => decode(many)).toThrow(WireError);
  });
  it('a long error is cut, a long name refused', () => {
    const status = field(6, field(2, 'x'.repeat(1_000_000)));
    expect(decodeSotw(status).error?.message.length).toBe(8_192);
    expect(() => decodeSotw(field(3, 'x'.repeat(5_000)))).toThrow(WireError);
    expect(() => decodeDelta(field(5, field(1, 'x'.repeat(5_000))))).toThrow(WireError);
  });
  it('numbers of more than ten bytes, groups, and lengths beyond the end are refused', () => {
    for (const bytes of [[...Array<number>(11).fill(0xff)], [0x1b], [0x1c], [0x1a, 0x05, 0x61], [0x07], [0x00, 0x00]])
      for (const name of ['sotw', 'delta', 'node', 'load', 'matcher'])
        expect(() => decoders[name]?.(Buffer.from(bytes)), `${name} ${bytes.join()}`).toThrow(WireError);
  });
  it('what is kept of a request is no part of its bytes', () => {
    const lists = createNameLists();
    const bytes = Buffer.concat([field(3, 'a'), field(3, 'b'), field(4, 't')]);
    const { list } = decodeSotw(bytes, { lists, last: [] });
    bytes.fill(0);
    expect(list?.names).toEqual(['a', 'b']);
    expect(list?.raw.toString('latin1')).toBe('\x1a\x01a\x1a\x01b');
  });
});
