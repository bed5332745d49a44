// The decoders of the services beside discovery, against the protobuf library and against bytes that are no messages.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RestRequestError, readRequest } from '../../../../src/xds/rest/rest-request.ts';
import { indexDescriptors } from '../../../../src/xds/services/descriptor-index.ts';
import { decodeLoadRequest, encodeLoadResponse } from '../../../../src/xds/services/load-report.ts';
import { decodeNodeMatcher, matchesAny } from '../../../../src/xds/services/node-matcher.ts';
import { WireError } from '../../../../src/xds/wire.ts';
import { field, jsonStruct, number, text } from '../../../../src/xds/wire-writer.ts';
import { testProtos } from '../../../support/protos.ts';

const set = readFileSync(new URL('../../../../src/gen/envoy.binpb', import.meta.url));
const load = 'envoy.service.load_stats.v3';

/** Message bytes with some changed or cut: near enough to a message to get deep. */
function damaged(bytes: Uint8Array): fc.Arbitrary<Buffer> {
  return fc
    .tuple(fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 6 }), fc.nat(bytes.length))
    .map(([changes, length]) => {
      const copy = Buffer.from(bytes);
      for (const [at, value] of changes) copy[at] = value;
      return copy.subarray(0, length);
    });
}

describe('decoders', () => {
  const matcher = testProtos().encode('envoy.type.matcher.v3.NodeMatcher', {
    nodeId: { prefix: 'web' },
    nodeMetadatas: [
      { path: [{ key: 'a' }], value: { orMatch: { valueMatchers: [{ nullMatch: {} }, { boolMatch: true }] } } },
    ],
  });
  const report = testProtos().encode(`${load}.LoadStatsRequest`, {
    node: { id: 'x' },
    clusterStats: [
      {
        clusterName: 'a',
        upstreamLocalityStats: [{ locality: { zone: 'z' }, totalIssuedRequests: '7' }],
        loadReportInterval: '1.5s',
      },
    ],
  });
  it.each<[string, Uint8Array, (bytes: Buffer) => unknown]>([
    ['node matchers', matcher, (bytes) => decodeNodeMatcher(bytes, [0, bytes.length])],
    ['load reports', report, decodeLoadRequest],
    ['descriptors', set.subarray(0, 3_000), indexDescriptors],
  ])('of %s throw WireError or nothing', (_what, valid, decode) => {
    decode(Buffer.from(valid.length === 3_000 ? set : valid));
    fc.assert(
      fc.property(fc.oneof(damaged(valid), fc.uint8Array({ maxLength: 200 })), (bytes) => {
        try {
          decode(Buffer.from(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(WireError);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('of polls throw RestRequestError or nothing', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc.string(),
          fc.json().map((node) => `{"node":${node},"resourceNames":["a"]}`),
        ),
        (body) => {
          try {
            readRequest(body);
          } catch (error) {
            expect(error).toBeInstanceOf(RestRequestError);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it('T22: of polls keep nothing that has a prototype', () => {
    const { claims } = readRequest('{"node":{"id":"x","metadata":{"__proto__":{"admin":true},"in":{"a":[{}]}}}}');
    expect(Object.getPrototypeOf(claims.metadata)).toBeNull();
    expect(Object.keys(claims.metadata)).toEqual(['__proto__', 'in']);
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  });

  it('bound how deep a matcher goes', () => {
    let value: object = { boolMatch: true };
    for (let depth = 0; depth < 40; depth++) value = { listMatch: { oneOf: value } };
    const bytes = Buffer.from(
      testProtos().encode('envoy.type.matcher.v3.NodeMatcher', { nodeMetadatas: [{ path: [{ key: 'a' }], value }] }),
    );
    expect(() => decodeNodeMatcher(bytes, [0, bytes.length])).toThrow(WireError);
  });
});

describe('what is written', () => {
  it('is what the library reads: load responses, structs, numbers', () => {
    const response = encodeLoadResponse(['a', 'b'], 1_250);
    expect(testProtos().decode(`${load}.LoadStatsResponse`, response)).toEqual({
      clusters: ['a', 'b'],
      loadReportingInterval: '1.250s',
    });
    const json = { text: 'x', number: -1.5, yes: true, no: null, list: [1, { deep: [] }], empty: {} };
    expect(testProtos().decode('envoy.config.core.v3.Node', field(3, jsonStruct(json)))).toEqual({ metadata: json });
    const many = Buffer.concat([text(1, ''), text(2, 'x'), number(3, 0)]);
    expect(testProtos().decode('envoy.config.core.v3.Node', many)).toEqual({ cluster: 'x' });
  });
});

it('no matcher matches every node, an empty one too', () => {
  const node = { nodeId: 'x', metadata: {} };
  expect(matchesAny([], node)).toBe(true);
  expect(matchesAny([{ id: undefined, metadata: [] }], node)).toBe(true);
});
