import { describe, expect, it } from 'vitest';
import { identify, keepingWayIn, readClaims } from '../../../src/control/identify.ts';
import { serviceId } from '../../../src/model/names.ts';
import { testClient, testInstance, testWorld } from '../../support/worlds.ts';

const proxy = { address: '127.0.0.1', port: 21000, localAddress: '127.0.0.1', localPort: 8080 };
const world = testWorld({ web: [testInstance('web-1', { proxy }), testInstance('web-2')], api: [] });

describe('identify', () => {
  it('takes a client that names no service for a gateway', () => {
    expect(identify(testClient('edge-1'), world)).toEqual({ role: 'gateway', gateway: 'edge' });
  });

  it('takes a client whose cluster is a service for its sidecar, inbound as the registry says', () => {
    expect(identify(testClient('web-1', { nodeCluster: 'web' }), world)).toEqual({
      role: 'sidecar',
      service: 'web',
      inbound: [{ address: '127.0.0.1', port: 21000, appAddress: '127.0.0.1', appPort: 8080 }],
      outbound: { address: '127.0.0.1', port: 15001 },
      upstreams: [],
    });
  });

  it('gives a sidecar without registration no inbound listener', () => {
    expect(identify(testClient('web-2', { nodeCluster: 'web' }), world)).toMatchObject({
      role: 'sidecar',
      inbound: [],
    });
  });

  it('prefers the claims of the bootstrap, and takes upstreams from registry and bootstrap', () => {
    const declared = new Map([
      [serviceId('default', 'web'), new Map([['web-1', [{ service: 'api', address: '127.0.0.1', port: 9091 }]]])],
    ]);
    const metadata = {
      chancery: {
        role: 'sidecar',
        service: 'web',
        instance: 'web-1',
        outbound: '127.0.0.1:15009',
        upstreams: [{ service: 'api', address: '127.0.0.1', port: 9090 }],
      },
    };
    expect(identify(testClient('node-7', { metadata }), { ...world, upstreams: declared })).toMatchObject({
      service: 'web',
      outbound: { address: '127.0.0.1', port: 15009 },
      upstreams: [
        { service: 'api', address: '127.0.0.1', port: 9090 },
        { service: 'api', address: '127.0.0.1', port: 9091 },
      ],
    });
  });

  it.each([{}, { chancery: 5 }, { chancery: { role: 'admin', upstreams: 'all', outbound: 'nowhere', stats: 9 } }])(
    'reads no claim from %j',
    (metadata) => {
      expect(readClaims(testClient('n', { metadata: metadata }))).toEqual({ upstreams: [] });
    },
  );

  it('takes a gRPC library for what it is, whatever it claims, and its caller from claim or cluster', () => {
    const grpc = { userAgentName: 'gRPC Go', userAgentVersion: '1.75.1' };
    expect(identify(testClient('p-1', grpc), world)).toEqual({ role: 'proxyless' });
    expect(identify(testClient('p-1', { ...grpc, nodeCluster: 'web' }), world)).toEqual({
      role: 'proxyless',
      service: 'web',
    });
    const metadata = { chancery: { role: 'gateway', service: 'api', namespace: 'prod' } };
    const locality = { region: '', zone: 'a', subZone: '' };
    expect(identify(testClient('p-1', { userAgentName: 'grpc-java', metadata, locality }), world)).toEqual({
      role: 'proxyless',
      service: 'prod|api',
      zone: 'a',
    });
    expect(identify(testClient('p-1', { userAgentName: 'envoy' }), world)).toEqual({
      role: 'gateway',
      gateway: 'edge',
    });
  });
});

describe('a sidecar whose instance leaves the registry', () => {
  const binding = { address: '10.0.0.1', port: 21_000, appAddress: '127.0.0.1', appPort: 8080 };
  const sidecar = (service: string, inbound: readonly (typeof binding)[]) =>
    ({ role: 'sidecar', service: service as never, inbound, upstreams: [] }) as const;

  it('keeps its way in, and takes the next one it is registered with', () => {
    const before = sidecar('web', [binding]);
    expect(keepingWayIn(before, sidecar('web', []))).toEqual(before);
    const moved = sidecar('web', [{ ...binding, port: 21_001 }]);
    expect(keepingWayIn(before, moved)).toBe(moved);
  });

  it('takes none along that was of another service', () => {
    const other = sidecar('api', []);
    expect(keepingWayIn(sidecar('web', [binding]), other)).toBe(other);
  });
});
