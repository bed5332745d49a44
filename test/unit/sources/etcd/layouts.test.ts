import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { createKeyReader } from '../../../../src/sources/etcd/etcd-registry.ts';
import type { KeyValue } from '../../../../src/sources/etcd/key-range.ts';
import { type EtcdLayout, readKey } from '../../../../src/sources/etcd/layouts.ts';

interface Case {
  readonly name: string;
  readonly layout: EtcdLayout;
  readonly key: string;
  readonly value: string;
  readonly before?: string;
  readonly gives: string;
}
const cases = parse(
  readFileSync(new URL('../../../data/malformed/registry/etcd.yaml', import.meta.url), 'utf8'),
) as readonly Case[];

const goodKeys: Readonly<Record<EtcdLayout, readonly [string, string]>> = {
  chancery: ['web/instances/good-1', '{"address": "10.0.0.9", "port": 80}'],
  naming: ['web/good-1', '{"Op": 0, "Addr": "10.0.0.9:80"}'],
  registrator: ['web/good-1', '10.0.0.9:80'],
  'go-micro': ['web/good-1', '{"name": "web", "nodes": [{"id": "good-1", "address": "10.0.0.9:80"}]}'],
};

const entry = (key: string, value: string, leased = true): KeyValue => ({
  key,
  value,
  created: 1n,
  modified: 1n,
  leased,
});
const options = { name: 'etcd', prefix: '/services/' };

describe('malformed keys and values', () => {
  it.each(cases)('$name', ({ layout, key, value, before, gives }) => {
    const reader = createKeyReader({ ...options, layout });
    const entries = new Map<string, KeyValue>();
    const put = (name: string, text: string) => {
      entries.set(name, entry(name, text));
      return reader.next({ entries, changed: new Set([name]) });
    };
    put(...goodKeys[layout]);
    if (before !== undefined) put(key, before);
    const { services, problems } = put(key, value);
    expect(problems.map(({ code, at }) => [code, at.file])).toEqual([[gives, `/services/${key}`]]);
    const ids = services.get('web')?.instances.map(({ id }) => id);
    expect(ids).toEqual(before === undefined ? ['good-1'] : ['a', 'good-1']);
    entries.delete(key);
    const after = reader.next({ entries, changed: new Set([key]) });
    expect(after.problems).toEqual([]);
    expect(after.services.get('web')?.instances.map(({ id }) => id)).toEqual(['good-1']);
  });
});

describe('a layout', () => {
  const read = (layout: EtcdLayout, key: string, value: string, prefix = '/services/') =>
    readKey(layout, { source: 'etcd', prefix, key, value });

  it('of our own takes every field of a record', () => {
    const value = { address: '10.0.0.1', port: 80, weight: 3, zone: 'z1', health: 'critical', proxyPort: 20000 };
    expect(read('chancery', 'web/instances/a/b', JSON.stringify(value))).toEqual({
      kind: 'instances',
      service: 'web',
      instances: [
        {
          key: 'etcd/web/a/b',
          id: 'a/b',
          address: '10.0.0.1',
          port: 80,
          health: 'critical',
          weight: 3,
          metadata: {},
          tags: [],
          locality: { region: '', zone: 'z1', subZone: '' },
          proxy: { address: '10.0.0.1', port: 20000, localAddress: '127.0.0.1', localPort: 80 },
        },
      ],
    });
    expect(read('chancery', 'v1/services/web/instances/a', '{"address":"h"}', '/mesh/')).toMatchObject({
      service: 'web',
    });
  });

  it('of etcd naming takes the target as the service', () => {
    const value = '{"Op":0,"Addr":"10.0.0.1:80","Metadata":{"version":"v2","n":1,"deep":{}}}';
    expect(read('naming', 'shop/web/10.0.0.1:80', value)).toMatchObject({
      service: 'shop/web',
      instances: [{ id: '10.0.0.1:80', address: '10.0.0.1', port: 80, metadata: { version: 'v2', n: '1' } }],
    });
    expect(read('naming', '10.0.0.1:80', value, '/services/web/')).toMatchObject({ service: 'web' });
    expect(read('naming', 'web/a', '{"Op":1,"Addr":"10.0.0.1:80"}')).toEqual({ kind: 'none' });
  });

  it('of registrator leaves UDP ports out', () => {
    expect(read('registrator', 'dns/host:dns:53', '10.0.0.1:5300')).toMatchObject({
      service: 'dns',
      instances: [{ id: 'host:dns:53', address: '10.0.0.1', port: 5300 }],
    });
    expect(read('registrator', 'dns/host:dns:53:udp', '10.0.0.1:5300')).toEqual({ kind: 'none' });
  });

  it('of go-micro takes every node, with the version as metadata', () => {
    const value = {
      name: 'shop.cart',
      version: 'v2',
      metadata: { team: 'a' },
      nodes: [
        { id: 'n1', address: '10.0.0.1:80' },
        { id: 'n2', address: '10.0.0.2', port: 81, metadata: { team: 'b' } },
      ],
    };
    expect(read('go-micro', 'shop-cart/n1', JSON.stringify(value))).toMatchObject({
      service: 'shop.cart',
      instances: [
        { id: 'n1', metadata: { version: 'v2', team: 'a' } },
        { id: 'n2', port: 81, metadata: { version: 'v2', team: 'b' } },
      ],
    });
  });
});

describe('an address', () => {
  const read = (value: unknown) =>
    readKey('naming', { source: 'etcd', prefix: '/services/', key: 'web/a', value: JSON.stringify({ Addr: value }) });
  it.each([
    ['10.0.0.1:80', '10.0.0.1'],
    ['http://10.0.0.1:80/', '10.0.0.1'],
    ['grpc+tls://[fd00::1]:80', 'fd00::1'],
  ])('%s', (text, address) => {
    expect(read(text)).toMatchObject({ kind: 'instances', instances: [{ address, port: 80 }] });
  });
  it.each(['', ':80', 'http://10.0.0.1', undefined, 7])('%s is none', (text) => {
    expect(read(text)).toMatchObject({ kind: 'fault' });
  });
});

describe('the keys of a service', () => {
  const keys = (leased: boolean) => new Map([['web/a', entry('web/a', '{"Addr":"10.0.0.1:80"}', leased)]]);

  it('are warned of once when they have no lease, where libraries always attach one', () => {
    const codes = (layout: EtcdLayout, leased: boolean) =>
      createKeyReader({ ...options, layout })
        .next({ entries: keys(leased), changed: new Set(['web/a']) })
        .problems.map(({ code, severity }) => [code, severity]);
    expect(codes('naming', false)).toEqual([['CH1332', 'warning']]);
    expect(codes('naming', true)).toEqual([]);
  });

  it('cost nothing while nothing changed', () => {
    const reader = createKeyReader({ ...options, layout: 'naming' });
    const entries = keys(true);
    const first = reader.next({ entries, changed: new Set(['web/a']) });
    const second = reader.next({ entries, changed: new Set() });
    expect(second.services).toBe(first.services);
    expect(second.problems).toBe(first.problems);
  });

  it('that fit no layout are one warning together', () => {
    const reader = createKeyReader({ ...options, layout: 'chancery' });
    const entries = new Map(['x', 'y', 'z'].map((key) => [key, entry(key, '1')]));
    const { problems } = reader.next({ entries, changed: new Set(entries.keys()) });
    expect(problems).toHaveLength(1);
    expect(problems[0]?.message).toContain('"/services/x" and 2 more');
  });
});
