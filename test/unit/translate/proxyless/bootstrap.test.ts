import { describe, expect, it } from 'vitest';
import { grpcBootstrap } from '../../../../src/translate/proxyless/bootstrap.ts';
import { serverBinding } from '../../../../src/translate/proxyless/listeners.ts';

const xds = { address: '127.0.0.1', port: 18000 };

describe('the bootstrap of a gRPC library', () => {
  it('says who it is, whose calls they are, and where Chancery is', () => {
    const document = grpcBootstrap({
      node: 'shop-1',
      service: 'shop',
      namespace: 'prod',
      locality: { zone: 'a' },
      xds,
    });
    expect(document).toMatchObject({
      xds_servers: [
        {
          server_uri: '127.0.0.1:18000',
          channel_creds: [{ type: 'insecure' }],
          server_features: ['xds_v3', 'ignore_resource_deletion'],
        },
      ],
      node: {
        id: 'shop-1',
        cluster: 'shop',
        locality: { zone: 'a' },
        metadata: { chancery: { service: 'shop', namespace: 'prod' } },
      },
    });
  });

  it('writes an IPv6 address as a target, and TLS as files', () => {
    const certificate = { certFile: 'c.pem', keyFile: 'k.pem' };
    const [server] = grpcBootstrap({
      node: 'n',
      xds: { address: '::1', port: 1 },
      xdsTls: { caFile: 'ca.pem', certificate },
    }).xds_servers;
    expect(server).toMatchObject({
      server_uri: '[::1]:1',
      channel_creds: [
        {
          type: 'tls',
          config: { ca_certificate_file: 'ca.pem', certificate_file: 'c.pem', private_key_file: 'k.pem' },
        },
      ],
    });
  });

  it('has servers ask for the listener that they are given', () => {
    expect(grpcBootstrap({ node: 'n', xds }).node.locality).toEqual({});
    const template = grpcBootstrap({ node: 'n', xds }).server_listener_resource_name_template;
    expect(serverBinding(template.replace('%s', '0.0.0.0:50051'))).toEqual({ address: '0.0.0.0', port: 50051 });
  });
});
