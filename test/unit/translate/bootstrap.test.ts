import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createValidator } from '../../../src/resources/validate.ts';
import { type BootstrapOptions, bootstrap } from '../../../src/translate/bootstrap.ts';
import { certificateDocument, rootsDocument, tokenDocument } from '../../../src/translate/xds-credentials.ts';
import { createAuthority } from '../../support/certificates.ts';
import { testProtos } from '../../support/protos.ts';
import { describeWith, envoyValidate } from '../../support/real-parts.ts';
import { createTempDir } from '../../support/temp-dir.ts';

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

/** What `chancery bootstrap --join` sets up; its files are written by the tests with a real Envoy. */
const withFiles = (folder: string): BootstrapOptions => ({
  ...{ node: 'x', role: 'gateway', xds: { address: 'chancery.internal', port: 18000 } },
  xdsSecrets: {
    rootsFile: `${folder}/roots.json`,
    name: 'spiffe://mesh/chancery',
    certificateFile: `${folder}/certificate.json`,
  },
  xdsToken: { tokenFile: `${folder}/token.json` },
});

const typesOf = (value: unknown): string[] =>
  [...JSON.stringify(value).matchAll(/"@type":"type.googleapis.com\/([\w.]+)"/g)].map(([, name = '']) => name);

describe('bootstrap', () => {
  it.each([
    ...Object.entries(cases),
    ['proxy that dials TLS', withTls] as const,
    ['proxy with files of credentials', withFiles('/etc/chancery')] as const,
  ])('of a %s is a Bootstrap that keeps its rules', (_name, options) => {
    const protos = testProtos();
    // Our descriptors have no UpstreamCodec, whose message is empty; a real Envoy reads it below.
    const text = JSON.stringify(bootstrap(options)).replace(/,\{"name":"envoy.filters.http.upstream_codec".*?\}\}/, '');
    const message = protos.parse('envoy.config.bootstrap.v3.Bootstrap', JSON.parse(text));
    expect(createValidator(protos)(message)).toEqual([]);
  });

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

  it('trusts what files say that are read again, and sends what a file says', () => {
    const [cluster] = bootstrap(withFiles('/etc/chancery')).staticResources?.clusters ?? [];
    const from = (file: string) => ({
      pathConfigSource: { path: `/etc/chancery/${file}`, watchedDirectory: { path: '/etc/chancery' } },
      resourceApiVersion: 'V3',
    });
    expect(cluster?.transportSocket?.typedConfig).toMatchObject({
      sni: 'chancery.internal',
      maxSessionKeys: 0,
      commonTlsContext: {
        tlsParams: { tlsMinimumProtocolVersion: 'TLSv1_3', tlsMaximumProtocolVersion: 'TLSv1_3' },
        tlsCertificateSdsSecretConfigs: [{ name: 'xds:certificate', sdsConfig: from('certificate.json') }],
        combinedValidationContext: {
          defaultValidationContext: {
            matchTypedSubjectAltNames: [{ sanType: 'URI', matcher: { exact: 'spiffe://mesh/chancery' } }],
          },
          validationContextSdsSecretConfig: { name: 'xds:roots', sdsConfig: from('roots.json') },
        },
      },
    });
    const [options] = Object.values(cluster?.typedExtensionProtocolOptions ?? {});
    expect((options as { readonly httpFilters?: unknown } | undefined)?.httpFilters).toEqual([
      {
        name: 'envoy.filters.http.credential_injector',
        typedConfig: {
          '@type': 'type.googleapis.com/envoy.extensions.filters.http.credential_injector.v3.CredentialInjector',
          overwrite: true,
          allowRequestWithoutCredential: false,
          credential: {
            name: 'envoy.http.injected_credentials.generic',
            typedConfig: {
              '@type': 'type.googleapis.com/envoy.extensions.http.injected_credentials.generic.v3.Generic',
              credential: { name: 'xds:token', sdsConfig: from('token.json') },
              header: 'authorization',
            },
          },
        },
      },
      expect.objectContaining({ name: 'envoy.filters.http.upstream_codec' }),
    ]);
  });

  it('T13: sends no token to whoever answers', () => {
    const open: BootstrapOptions = { node: 'x', role: 'gateway', xds, xdsToken: { tokenFile: '/token.json' } };
    expect(() => bootstrap(open)).toThrow(/CH1231.*whose authority and name are pinned/);
    // Pinned, there is always one exact name: at least that of the host.
    for (const pinned of [{ xdsTls: { caFile: '/ca.pem' } }, { xdsSecrets: { rootsFile: '/roots.json' } }])
      expect(JSON.stringify(bootstrap({ ...open, ...pinned }))).toContain(
        '"matchTypedSubjectAltNames":[{"sanType":"IP_ADDRESS","matcher":{"exact":"127.0.0.1"}}]',
      );
  });

  it('writes files that are secrets under the names it asks for', () => {
    const protos = testProtos();
    const documents = [
      rootsDocument('-----BEGIN CERTIFICATE-----\n'),
      tokenDocument('t'),
      certificateDocument('chain', 'key'),
    ];
    const named = documents.map((document) => {
      const [secret = {}] = (document as { resources: readonly { name?: string }[] }).resources;
      const { '@type': _, ...rest } = secret as Readonly<Record<string, unknown>>;
      const message = protos.parse('envoy.extensions.transport_sockets.tls.v3.Secret', rest);
      expect(createValidator(protos)(message)).toEqual([]);
      return secret.name;
    });
    expect(named).toEqual(['xds:roots', 'xds:token', 'xds:certificate']);
    expect(typesOf(documents)).toEqual(Array(3).fill('envoy.extensions.transport_sockets.tls.v3.Secret'));
    expect(JSON.stringify(documents[1])).toContain('"Bearer t"');
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

    it('of a proxy with files of credentials', async () => {
      using place = createTempDir('credentials');
      const authority = createAuthority(place.path);
      const { cert, key } = authority.leaf('node', 'URI:spiffe://mesh/svc/web');
      const read = (path: string): string => readFileSync(path, 'utf8');
      const write = (file: string, document: object): void =>
        writeFileSync(join(place.path, file), JSON.stringify(document));
      write('roots.json', rootsDocument(read(authority.ca)));
      write('token.json', tokenDocument('t'));
      write('certificate.json', certificateDocument(read(cert), read(key)));
      const { output, ok } = await envoyValidate(bootstrap(withFiles(place.path)), bin);
      expect(ok, output).toBe(true);
    });
  });
});
