import { describe, expect, it } from 'vitest';
import { ProtoJsonError } from '../../../src/resources/protos.ts';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import { testProtos } from '../../support/protos.ts';

const httpOptions = 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const cluster = {
  name: 'cart',
  typedExtensionProtocolOptions: {
    b: { '@type': httpOptions, explicitHttpConfig: { http2ProtocolOptions: {} } },
    a: { '@type': httpOptions, explicitHttpConfig: { httpProtocolOptions: {} } },
  },
};

function fault(type: string, json: unknown): ProtoJsonError | undefined {
  try {
    testProtos().encode(type, json);
    return undefined;
  } catch (error) {
    if (error instanceof ProtoJsonError) return error;
    throw error;
  }
}

describe('protos', () => {
  it('keep messages inside Any both ways', () => {
    const protos = testProtos();
    expect(protos.decode(typeUrls.cluster, protos.encode(typeUrls.cluster, cluster))).toEqual(cluster);
  });

  it('give equal bytes whatever the order of keys', () => {
    const { a, b } = cluster.typedExtensionProtocolOptions;
    const other = { typedExtensionProtocolOptions: { a, b }, name: 'cart' };
    expect(testProtos().encode(typeUrls.cluster, other)).toEqual(testProtos().encode(typeUrls.cluster, cluster));
  });

  it('refuse a name that no message declares, with its path', () => {
    expect(fault(typeUrls.cluster, { name: 'a', nmae: 'b' })?.path).toBe('nmae');
    expect(fault(typeUrls.cluster, { circuitBreakers: { thresholds: [{}, { maxConn: 1 }] } })?.path).toBe(
      'circuitBreakers.thresholds[1].maxConn',
    );
    expect(
      fault(typeUrls.cluster, { typedExtensionProtocolOptions: { x: { '@type': httpOptions, explicitHttp: {} } } })
        ?.path,
    ).toBe('typedExtensionProtocolOptions["x"].explicitHttp');
  });

  it('refuse a value that does not fit and an Any of an unknown type', () => {
    expect(fault(typeUrls.cluster, { name: 7 })).toBeInstanceOf(ProtoJsonError);
    expect(
      fault(typeUrls.cluster, { typedExtensionProtocolOptions: { x: { '@type': 'type.googleapis.com/no.Such' } } })
        ?.path,
    ).toBe('typedExtensionProtocolOptions["x"].@type');
  });

  it('know their messages by name or type URL', () => {
    expect(testProtos().message('envoy.config.cluster.v3.Cluster')).toBe(testProtos().message(typeUrls.cluster));
    expect(() => testProtos().message('no.Such')).toThrow(RangeError);
  });
});
