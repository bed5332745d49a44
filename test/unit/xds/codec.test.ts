// Our hand-written codecs against the protobuf library, and against bytes that are no messages.
import { readFileSync } from 'node:fs';
import { fromBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createProtos } from '../../../src/resources/protos.ts';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import { methodPath, streamMethods } from '../../../src/xds/methods.ts';
import { createNameLists, type NameList } from '../../../src/xds/name-lists.ts';
import { decodeNode } from '../../../src/xds/node.ts';
import { decodeDelta, decodeSotw } from '../../../src/xds/requests.ts';
import { createMessages } from '../../../src/xds/responses.ts';
import { WireError } from '../../../src/xds/wire.ts';
import { field as textField } from '../../../src/xds/wire-writer.ts';
import { propertyRuns } from '../../support/property-runs.ts';
import { resource } from '../../support/static-views.ts';

const protos = createProtos(readFileSync(new URL('../../../src/gen/envoy.binpb', import.meta.url)));
const encode = (name: string, json: object): Buffer => Buffer.from(protos.encode(name, json));
const discovery = 'envoy.service.discovery.v3';

describe('requests', () => {
  it('reads what the library writes, SotW', () => {
    const bytes = encode(`${discovery}.DiscoveryRequest`, {
      version_info: 'v1',
      node: { id: 'n' },
      resource_names: ['a', 'b', 'a', 'ünï'],
      type_url: 't',
      response_nonce: '7',
      error_detail: { code: 13, message: 'no' },
    });
    expect(decodeSotw(bytes)).toMatchObject({
      ...{ versionInfo: 'v1', typeUrl: 't', nonce: '7', names: ['a', 'b', 'ünï'] },
      error: { code: 13, message: 'no' },
    });
  });
  it('reads what the library writes, delta; R56: locators are skipped', () => {
    const bytes = encode(`${discovery}.DeltaDiscoveryRequest`, {
      type_url: 't',
      resource_names_subscribe: ['a', '*'],
      resource_names_unsubscribe: ['b'],
      initial_resource_versions: { a: '1', c: '2' },
      response_nonce: '8',
      resource_locators_subscribe: [{ name: 'x' }],
    });
    const request = decodeDelta(bytes);
    expect(request).toMatchObject({ subscribe: ['a', '*'], unsubscribe: ['b'], nonce: '8', error: undefined });
    expect([...request.versions]).toEqual([
      ['a', '1'],
      ['c', '2'],
    ]);
  });
  it('R5: reads a node with nested metadata, which has no prototype', () => {
    const node = decodeNode(
      encode('envoy.config.core.v3.Node', {
        id: 'n',
        cluster: 'c',
        metadata: { list: [1.5, null, 'x'], deep: { on: true, ['__proto__']: 'p' } },
        locality: { region: 'r', zone: 'z', sub_zone: 's' },
        user_agent_name: 'envoy',
        user_agent_build_version: { version: { major_number: 1, minor_number: 40, patch: 2 } },
        client_features: ['f'],
      }),
    );
    expect(node).toMatchObject({
      ...{ nodeId: 'n', nodeCluster: 'c', userAgentName: 'envoy', userAgentVersion: '1.40.2', clientFeatures: ['f'] },
      locality: { region: 'r', zone: 'z', subZone: 's' },
      metadata: { list: [1.5, null, 'x'] },
    });
    expect(Object.getPrototypeOf(node.metadata)).toBe(null);
  });
  it('F9: metadata nested too deep is refused, not followed', () => {
    // Value { 5 struct_value { 1 fields { 1 key, 2 value } } }, from the inside out.
    let value: Buffer = Buffer.from([0x20, 1]);
    const field = (number: number, body: Buffer): Buffer => textField(number, body.toString('latin1'));
    const wrap = (body: Buffer, number: number): Buffer => {
      const head = field(number, Buffer.alloc(body.length)).subarray(0, -body.length || undefined);
      return Buffer.concat([head, body]);
    };
    for (let depth = 0; depth < 500; depth++) value = wrap(wrap(wrap(value, 2), 1), 5);
    const struct = wrap(wrap(value, 2), 1);
    expect(() => decodeNode(wrap(struct, 3))).toThrow(WireError);
  });
  it('F9: lists without end are refused', () => {
    const name = Buffer.from([0x1a, 1, 0x61]);
    const many = (count: number): Buffer => Buffer.alloc(count * name.length, name);
    expect(decodeSotw(many(1000)).names).toEqual(['a']);
    for (const decode of [decodeSotw, decodeDelta]) expect(() => decode(many(200_001))).toThrow(WireError);
  });
  it('F9: texts that would be kept have an end', () => {
    const long = (size: number): Buffer => textField(3, 'n'.repeat(size));
    for (const decode of [decodeSotw, decodeDelta]) {
      expect(() => decode(long(4096))).not.toThrow();
      expect(() => decode(long(4097))).toThrow(WireError);
    }
    const node = (size: number): Buffer =>
      encode('envoy.config.core.v3.Node', { id: 'n', metadata: { a: { b: 'x'.repeat(size) } } });
    expect(() => decodeNode(node(60_000))).not.toThrow();
    expect(() => decodeNode(node(70_000))).toThrow(WireError);
  });
  it('F9: any bytes are read or refused with WireError, in bounded time', () => {
    const valid = encode(`${discovery}.DeltaDiscoveryRequest`, {
      node: { id: 'n', metadata: { a: { b: [1, 2] } } },
      type_url: typeUrls.cluster,
      initial_resource_versions: { a: '1' },
      error_detail: { code: 1, message: 'm' },
    });
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.tuple(fc.nat(valid.length - 1), fc.nat(255)).map(([at, to]) => {
        const broken = Buffer.from(valid);
        broken[at] = to;
        return broken;
      }),
      fc.nat(valid.length).map((end) => valid.subarray(0, end)),
    );
    fc.assert(
      fc.property(bytes, (input) => {
        for (const decode of [decodeSotw, decodeDelta, decodeNode]) {
          try {
            decode(Buffer.from(input));
          } catch (error) {
            expect(error).toBeInstanceOf(WireError);
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('responses', () => {
  const resources = [resource(typeUrls.cluster, 'a'), resource(typeUrls.cluster, 'b', { content: 'x'.repeat(300) })];
  it('R3, R7, R10: delta is what the library reads', () => {
    const message = createMessages('me', 'e').delta({ type: typeUrls.cluster, resources, removed: ['c'] }, 0);
    expect(fromBinary(protos.message(`${discovery}.DeltaDiscoveryResponse`), message.bytes)).toMatchObject({
      typeUrl: typeUrls.cluster,
      nonce: 'e-1',
      removedResources: ['c'],
      controlPlane: { identifier: 'me' },
      resources: resources.map(({ name, version, bytes }) => ({
        ...{ name, version },
        resource: { typeUrl: typeUrls.cluster, value: Buffer.from(bytes) },
      })),
    });
  });
  it('R3, R7, R10, R54: SotW is what the library reads, bare', () => {
    const message = createMessages('me', 'e').sotw({ type: typeUrls.cluster, resources, removed: ['c'] }, 0);
    expect(fromBinary(protos.message(`${discovery}.DiscoveryResponse`), message.bytes)).toMatchObject({
      typeUrl: typeUrls.cluster,
      versionInfo: message.version,
      nonce: 'e-1',
      controlPlane: { identifier: 'me' },
      resources: resources.map(({ bytes }) => ({ typeUrl: typeUrls.cluster, value: Buffer.from(bytes) })),
    });
  });
  it('one encoded message serves every stream that wants it, and no stream twice (R6)', () => {
    const messages = createMessages('me', 'e');
    const content = { type: typeUrls.cluster, resources, removed: [] };
    const one = messages.delta(content, 0);
    expect(messages.delta(content, 0)).toBe(one);
    const again = messages.delta(content, one.sequence);
    expect(again.nonce).not.toBe(one.nonce);
    expect(messages.sequenceOf(one.nonce)).toBe(one.sequence);
    expect(messages.sequenceOf('other-5')).toBe(0);
  });
});

describe('services', () => {
  it('R1: every method is one of the published services, with streams both ways, at its path', () => {
    expect(streamMethods).toHaveLength(19);
    for (const one of streamMethods) {
      const { service, method } = one;
      const published = protos.registry.getService(service)?.methods.find(({ name }) => name === method);
      expect(published?.methodKind, `${service}/${method}`).toBe('bidi_streaming');
      expect(methodPath(one)).toBe(`/${service}/${method}`);
    }
  });
});

describe('names that a SotW client repeats', () => {
  const request = (names: readonly string[], extra: object = {}): Buffer =>
    Buffer.from(
      protos.encode('envoy.service.discovery.v3.DiscoveryRequest', { resourceNames: names, typeUrl: 'a', ...extra }),
    );
  const plain = (names: readonly string[]): readonly string[] => [...new Set(names)];

  it('are the same array while the bytes are, for every stream, and read like any others when they are not', () => {
    const lists = createNameLists();
    const first = decodeSotw(request(['a', 'b'], { versionInfo: '1' }), { lists, last: [] });
    expect(first.names).toEqual(['a', 'b']);
    const last = first.list === undefined ? [] : [first.list];
    expect(decodeSotw(request(['a', 'b'], { versionInfo: '22', responseNonce: 'n' }), { lists, last }).names).toBe(
      first.names,
    );
    expect(decodeSotw(request(['a', 'b']), { lists, last: [] }).names).toBe(first.names);
    for (const names of [['a'], ['a', 'b', 'c'], ['b', 'a'], ['a', 'b', 'b'], []])
      expect(decodeSotw(request(names), { lists, last }).names).toEqual(plain(names));
  });

  it('are read the same with a memory and without, whatever came before', () => {
    const list = fc.array(fc.constantFrom('a', 'b', 'ab', '', 'c'.repeat(130)), { maxLength: 5 });
    fc.assert(
      fc.property(fc.array(list, { maxLength: 6 }), (sequence) => {
        const lists = createNameLists();
        let last: NameList[] = [];
        for (const names of sequence) {
          const decoded = decodeSotw(request(names), { lists, last });
          expect(decoded.names).toEqual(plain(names));
          last = decoded.list === undefined ? last : [decoded.list];
        }
      }),
      { numRuns: propertyRuns(100) },
    );
  });

  it('are known while all of them are small: what clients choose is bounded by bytes, not by lists', () => {
    const lists = createNameLists();
    const known = (key: string, count: number): NameList =>
      lists.intern(Buffer.from(key), () => Array.from({ length: count }, (_, index) => `${key}${index}`));
    const first = known('first', 2);
    for (let index = 0; index < 5; index++) known(`many ${index}`, 20_000);
    expect(known('first', 2)).toBe(first);
    for (let index = 0; index < 20; index++) known(`more ${index}`, 20_000);
    expect(known('first', 2)).not.toBe(first);
    const [one, again] = [known('huge', 100_000), known('huge', 100_000)];
    expect(again).not.toBe(one);
  });

  it('are told apart where names stand in two places of the message', () => {
    const lists = createNameLists();
    const { list } = decodeSotw(request(['a']), { lists, last: [] });
    const split = Buffer.concat([request(['a']), request(['b'])]);
    expect(decodeSotw(split, { lists, last: list === undefined ? [] : [list] }).names).toEqual(['a', 'b']);
    expect(decodeSotw(split, { lists, last: [] })).toMatchObject({ names: ['a', 'b'], list: undefined });
  });
});
