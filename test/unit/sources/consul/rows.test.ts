import { describe, expect, it } from 'vitest';
import { parseRows } from '../../../../src/sources/consul/rows.ts';

const context = { source: 'consul', service: 'web' };

function row(service: object, extra: { node?: object; checks?: unknown } = {}): object {
  return {
    Node: { Node: 'node-1', Address: '10.0.0.1', Datacenter: 'dc1', ...extra.node },
    Service: { ID: 'web-1', Service: 'web', Port: 80, ...service },
    Checks: extra.checks ?? [{ CheckID: 'serfHealth', Status: 'passing', Output: 'ok' }],
  };
}
const only = (...rows: object[]) => parseRows(rows, context).instances.map(({ instance }) => instance);

describe('rows of /v1/health/service', () => {
  it('gives an instance in the common shape', () => {
    const [instance] = only(
      row({
        Address: '10.0.0.7',
        Meta: { version: 'v2', zone: 'a' },
        Tags: ['x'],
        Weights: { Passing: 5, Warning: 1 },
      }),
    );
    expect(instance).toEqual({
      key: 'consul/dc1////node-1/web-1',
      id: 'web-1',
      address: '10.0.0.7',
      port: 80,
      health: 'healthy',
      weight: 5,
      metadata: { version: 'v2', zone: 'a' },
      tags: ['x'],
      locality: { region: 'dc1', zone: 'a', subZone: '' },
    });
  });
  it('falls back to the address of the node, and to no port', () => {
    expect(only(row({ Address: '', Port: 0 }))).toMatchObject([{ address: '10.0.0.1', port: 0 }]);
    expect(only(row({ Port: undefined }))).toMatchObject([{ port: 0 }]);
  });
  it('keeps host names', () => {
    expect(only(row({ Address: 'web.internal.example' }))).toMatchObject([{ address: 'web.internal.example' }]);
  });
  it('keeps the same id on two nodes, partitions, namespaces and peers apart', () => {
    const keys = only(
      row({}),
      row({}, { node: { Node: 'node-2' } }),
      row({ Partition: 'p' }),
      row({ Namespace: 'p' }),
      row({ PeerName: 'p' }),
    ).map(({ key }) => key);
    expect(new Set(keys).size).toBe(5);
  });
  it('is as healthy as the worst of node and service checks, with the warning weight', () => {
    const checks = [
      { Status: 'passing', Output: '' },
      { Status: 'warning', Output: '' },
    ];
    expect(only(row({ Weights: { Passing: 9, Warning: 3 } }, { checks }))).toMatchObject([
      { health: 'warning', weight: 3 },
    ]);
    const down = [{ CheckID: 'serfHealth', Status: 'critical' }, { Status: 'passing' }];
    expect(only(row({}, { checks: down }))).toMatchObject([{ health: 'critical' }]);
  });
  it('takes zone and region from Locality before metadata, of the service before the node', () => {
    const node = { Meta: { zone: 'nz', region: 'nr' } };
    expect(only(row({}, { node }))[0]?.locality).toEqual({ region: 'nr', zone: 'nz', subZone: '' });
    const service = { Locality: { Region: 'r', Zone: 'z' }, Meta: { zone: 'mz' } };
    expect(only(row(service, { node }))[0]?.locality).toEqual({ region: 'r', zone: 'z', subZone: '' });
  });
  it('filters by tag here, not in Consul', () => {
    const tagged = parseRows([row({ Tags: ['a'] }), row({ ID: 'web-2' })], { ...context, tag: 'a' });
    expect(tagged.instances.map(({ instance }) => instance.id)).toEqual(['web-1']);
  });
  it('dials a tagged address where asked for', () => {
    const service = { Address: '10.0.0.7', TaggedAddresses: { wan: { Address: '192.0.2.7', Port: 8080 } } };
    expect(parseRows([row(service)], { ...context, taggedAddress: 'wan' }).instances[0]?.instance).toMatchObject({
      address: '192.0.2.7',
      port: 8080,
    });
    const node = { TaggedAddresses: { wan: '192.0.2.1' } };
    expect(parseRows([row({}, { node })], { ...context, taggedAddress: 'wan' }).instances[0]?.instance.address).toBe(
      '192.0.2.1',
    );
  });
  it.each(['mesh-gateway', 'terminating-gateway', 'ingress-gateway', 'api-gateway'])('leaves out a %s', (Kind) => {
    expect(parseRows([row({ Kind })], context)).toEqual({ instances: [], sidecars: [], problems: [], torn: false });
  });
  it('reads a sidecar with its defaults and upstreams', () => {
    const declared = {
      DestinationServiceName: 'web',
      DestinationServiceID: 'web-1',
      Upstreams: [
        { DestinationName: 'api', LocalBindPort: 9191 },
        { DestinationType: 'prepared_query', DestinationName: 'q', LocalBindPort: 9192 },
        { DestinationType: 'service', DestinationName: 'db', LocalBindAddress: '127.0.0.9', LocalBindPort: 9193 },
        { DestinationName: 'socket', LocalBindPort: 0 },
      ],
    };
    const { sidecars } = parseRows(
      [row({ ID: 'web-1-proxy', Kind: 'connect-proxy', Port: 21000, Proxy: declared })],
      context,
    );
    expect(sidecars).toMatchObject([
      {
        destination: 'web',
        destinationId: 'web-1',
        address: '10.0.0.1',
        port: 21000,
        localAddress: '127.0.0.1',
        localPort: 0,
        upstreams: [
          { service: 'api', address: '127.0.0.1', port: 9191 },
          { service: 'db', address: '127.0.0.9', port: 9193 },
        ],
      },
    ]);
  });
});
