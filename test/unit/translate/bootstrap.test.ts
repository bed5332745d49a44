import { describe, expect, it } from 'vitest';
import { createValidator } from '../../../src/resources/validate.ts';
import { type BootstrapOptions, bootstrap } from '../../../src/translate/bootstrap.ts';
import { testProtos } from '../../support/protos.ts';
import { describeWith, envoyValidate } from '../../support/real-parts.ts';

const xds = { address: '127.0.0.1', port: 18000 };
const cases: Readonly<Record<string, BootstrapOptions>> = {
  gateway: { node: 'edge-1', role: 'gateway', gateway: 'edge', xds },
  sidecar: {
    node: 'web-1',
    role: 'sidecar',
    service: 'web',
    instance: 'web-1',
    outbound: { address: '127.0.0.1', port: 15001 },
    upstreams: [{ service: 'api', address: '127.0.0.1', port: 9091 }],
    locality: { region: 'eu', zone: 'a' },
    xds: { address: 'chancery.internal', port: 18000 },
  },
  'state of the world, no stats': { node: 'x', role: 'gateway', xds, variant: 'sotw', stats: false },
  'without a stream': { node: 'x', role: 'gateway', xds, variant: 'rest' },
  'with load reports': { node: 'x', role: 'gateway', xds, loadReports: true },
  IPv6: { node: 'x', role: 'gateway', xds: { address: '::1', port: 18000 }, stats: { address: '::1', port: 9902 } },
};

/** Envoy reads the files of it even to validate: a real one is in e2e/xds-tls.test.ts. */
const withTls: BootstrapOptions = {
  ...{ node: 'x', role: 'gateway', xds: { address: 'chancery.internal', port: 18000 } },
  xdsTls: { caFile: '/etc/ca.pem', certificate: { certFile: '/etc/x.pem', keyFile: '/etc/x.key' } },
};

describe('bootstrap', () => {
  it.each([...Object.entries(cases), ['proxy that dials TLS', withTls] as const])(
    'of a %s is a Bootstrap that keeps its rules',
    (_name, options) => {
      const protos = testProtos();
      const message = protos.parse('envoy.config.bootstrap.v3.Bootstrap', bootstrap(options));
      expect(createValidator(protos)(message)).toEqual([]);
    },
  );

  it.each([
    ['chancery.internal', undefined, { sanType: 'DNS', matcher: { exact: 'chancery.internal' } }, 'chancery.internal'],
    ['10.0.0.1', undefined, { sanType: 'IP_ADDRESS', matcher: { exact: '10.0.0.1' } }, undefined],
    ['10.0.0.1', 'plane', { sanType: 'DNS', matcher: { exact: 'plane' } }, 'plane'],
  ])('trusts one authority and one name on %s, named %s', (address, name, san, sni) => {
    const xdsTls = { caFile: '/ca.pem', ...(name === undefined ? {} : { name }) };
    const document = bootstrap({ node: 'a', role: 'gateway', xds: { address, port: 1 }, xdsTls });
    const [cluster] = document.staticResources?.clusters ?? [];
    expect(cluster?.transportSocket?.typedConfig).toMatchObject({
      commonTlsContext: {
        tlsParams: { tlsMinimumProtocolVersion: 'TLSv1_3' },
        validationContext: { trustedCa: { filename: '/ca.pem' }, matchTypedSubjectAltNames: [san] },
      },
    });
    expect(cluster?.transportSocket?.typedConfig?.['sni']).toBe(sni);
  });

  it('asks by delta unless told otherwise', () => {
    expect(bootstrap({ node: 'a', role: 'gateway', xds }).dynamicResources?.adsConfig?.apiType).toBe('DELTA_GRPC');
    expect(bootstrap({ node: 'a', role: 'gateway', xds, variant: 'sotw' }).dynamicResources?.adsConfig?.apiType).toBe(
      'GRPC',
    );
  });

  it('binds everything to loopback, and routes nothing but GET of two paths to the admin port', () => {
    const { admin, staticResources } = bootstrap({ node: 'a', role: 'gateway', xds });
    expect(admin?.address?.socketAddress?.address).toBe('127.0.0.1');
    const [stats] = staticResources?.listeners ?? [];
    expect(stats?.address?.socketAddress).toEqual({ address: '127.0.0.1', portValue: 9902 });
    const text = JSON.stringify(stats);
    expect([...text.matchAll(/"match":(\{.*?\}\]\})/g)].map(([, match]) => JSON.parse(match ?? '') as unknown)).toEqual(
      ['/stats/prometheus', '/ready'].map((path) => ({
        path,
        headers: [{ name: ':method', stringMatch: { exact: 'GET' } }],
      })),
    );
  });

  it('says who it is as claims that control reads', () => {
    const { node } = bootstrap(cases['sidecar'] ?? { node: '', role: 'gateway', xds });
    expect(node).toMatchObject({
      id: 'web-1',
      cluster: 'web',
      locality: { region: 'eu', zone: 'a' },
      metadata: {
        chancery: {
          role: 'sidecar',
          service: 'web',
          instance: 'web-1',
          outbound: '127.0.0.1:15001',
          upstreams: [{ service: 'api', address: '127.0.0.1', port: 9091 }],
          stats: '127.0.0.1:9902',
        },
      },
    });
  });
});

describe.each([
  ['envoy', undefined],
  ['envoy-oldest', 'oldest'],
] as const)('%s', (part, bin) => {
  describeWith([part], 'loads the bootstrap', () => {
    it.each(Object.entries(cases))('of a %s', async (_name, options) => {
      expect(await envoyValidate(bootstrap(options), bin)).toMatchObject({ ok: true });
    });
  });
});
