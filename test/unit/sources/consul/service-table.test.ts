import { describe, expect, it } from 'vitest';
import { parseRows } from '../../../../src/sources/consul/rows.ts';
import { createServiceTable } from '../../../../src/sources/consul/service-table.ts';

const Checks = [{ Status: 'passing', Output: 'ok' }];
const Node = { Node: 'n1', Address: '10.0.0.1', Datacenter: 'dc1' };
const instance = (id: string, extra: object = {}, node: object = {}) => ({
  Node: { ...Node, ...node },
  Service: { ID: id, Service: 'web', Port: 80, ...extra },
  Checks,
});
const sidecar = (id: string, of: { name?: string; id?: string }, extra: { node?: object; proxy?: object } = {}) => ({
  Node: { ...Node, ...extra.node },
  Service: {
    ID: id,
    Service: 'web-sidecar-proxy',
    Kind: 'connect-proxy',
    Port: 21000,
    Proxy: {
      DestinationServiceName: of.name ?? 'web',
      DestinationServiceID: of.id,
      LocalServicePort: 80,
      ...extra.proxy,
    },
  },
  Checks,
});
const rows = (service: string, ...body: object[]) => parseRows(body, { source: 'c', service });

describe('service table', () => {
  it('joins a sidecar to its instance, whichever comes first', () => {
    for (const order of [
      ['web', 'proxy'],
      ['proxy', 'web'],
    ]) {
      const table = createServiceTable();
      for (const what of order) {
        if (what === 'web') table.set('web', rows('web', instance('web-1'), instance('web-2')));
        else table.set('web-sidecar-proxy', rows('web-sidecar-proxy', sidecar('p', { id: 'web-2' })));
      }
      expect([...table.services().keys()]).toEqual(['web']);
      const [one, two] = table.services().get('web')?.instances ?? [];
      expect(one?.proxy).toBeUndefined();
      expect(two?.proxy).toEqual({ address: '10.0.0.1', port: 21000, localAddress: '127.0.0.1', localPort: 80 });
      expect(table.problems()).toEqual([]);
    }
  });
  it('lets the proxy go with its registration, and keeps the other instance the same object', () => {
    const table = createServiceTable();
    table.set('web', rows('web', instance('web-1'), instance('web-2')));
    const before = table.services().get('web')?.instances[0];
    table.set('web-sidecar-proxy', rows('web-sidecar-proxy', sidecar('p', { id: 'web-2' })));
    expect(table.set('web-sidecar-proxy', rows('web-sidecar-proxy'))).toBe(true);
    expect(table.services().get('web')?.instances[1]?.proxy).toBeUndefined();
    expect(table.services().get('web')?.instances[0]).toBe(before);
    expect(table.services().has('web-sidecar-proxy')).toBe(false);
  });
  it('gives the upstreams a sidecar declares to its instance', () => {
    const table = createServiceTable();
    table.set('web', rows('web', instance('web-1')));
    const Upstreams = [{ DestinationName: 'api', LocalBindPort: 9191 }];
    table.set('p', rows('p', sidecar('p', { id: 'web-1' }, { proxy: { Upstreams } })));
    expect(table.services().get('web')?.upstreams?.get('web-1')).toEqual([
      { service: 'api', address: '127.0.0.1', port: 9191 },
    ]);
  });
  it('does not join over nodes, and warns of a sidecar that stands before nothing', () => {
    const table = createServiceTable();
    table.set('web', rows('web', instance('web-1')));
    table.set('p', rows('p', sidecar('p', { id: 'web-1' }, { node: { Node: 'n2' } })));
    expect(table.services().get('web')?.instances[0]?.proxy).toBeUndefined();
    expect(table.problems()).toMatchObject([{ code: 'CH1318', severity: 'warning' }]);
    table.delete('p');
    expect(table.problems()).toEqual([]);
  });
  it('joins a sidecar without an instance id where the node has one instance', () => {
    const table = createServiceTable();
    table.set('web', rows('web', instance('web-1'), instance('web-1', {}, { Node: 'n2' })));
    table.set('p', rows('p', sidecar('p', {})));
    expect(
      table
        .services()
        .get('web')
        ?.instances.map(({ proxy }) => proxy?.port),
    ).toEqual([21000, undefined]);
  });
  it('says nothing changed for equal rows, and keeps every object', () => {
    const table = createServiceTable();
    table.set('web', rows('web', instance('web-1')));
    const before = table.services();
    expect(table.set('web', rows('web', { ...instance('web-1'), ModifyIndex: 9 }))).toBe(false);
    expect(table.services()).toBe(before);
  });
  it('lists no name that never held an instance, and keeps one that lost its last', () => {
    const table = createServiceTable();
    table.set('api', rows('api'));
    expect(table.services().has('api')).toBe(false);
    table.set('api', rows('api', instance('api-1')));
    table.set('api', rows('api'));
    expect(table.services().get('api')?.instances).toEqual([]);
    table.delete('api');
    expect(table.services().has('api')).toBe(false);
  });
});
