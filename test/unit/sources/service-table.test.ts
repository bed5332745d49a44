import { describe, expect, it } from 'vitest';
import type { Instance } from '../../../src/model/instance.ts';
import { createServiceTable } from '../../../src/sources/service-table.ts';

const instance = (id: string, port = 80): Instance => ({
  key: `s/web/${id}`,
  id,
  address: '10.0.0.1',
  port,
  health: 'healthy',
  weight: 1,
  metadata: {},
  tags: [],
});

describe('a table of rows', () => {
  it('gives services by name and instances by key, whatever the order of rows', () => {
    const table = createServiceTable();
    table.put('2', 'web', instance('b'));
    table.put('3', 'api', instance('c'));
    table.put('1', 'web', instance('a'));
    const services = table.services();
    expect([...services.keys()]).toEqual(['api', 'web']);
    expect(services.get('web')?.instances.map(({ id }) => id)).toEqual(['a', 'b']);
  });

  it('gives the very same objects where nothing changed', () => {
    const table = createServiceTable();
    table.put('1', 'web', instance('a'));
    table.put('2', 'api', instance('b'));
    const first = table.services();
    table.put('1', 'web', instance('a'));
    expect(table.services()).toBe(first);
    table.remove('1');
    table.put('1', 'web', first.get('web')?.instances[0] ?? instance('a'));
    expect(table.services()).toBe(first);
    table.put('1', 'web', instance('a', 81));
    const second = table.services();
    expect(second).not.toBe(first);
    expect(second.get('api')).toBe(first.get('api'));
    expect(first.get('web')?.instances[0]?.port).toBe(80);
  });

  it('moves a row to another service, and forgets a service without rows', () => {
    const table = createServiceTable();
    table.put('1', 'web', instance('a'));
    table.put('1', 'api', instance('a'));
    expect([...table.services().keys()]).toEqual(['api']);
    table.remove('1');
    table.remove('1');
    expect(table.services().size).toBe(0);
  });

  it('keeps named services while they have no rows', () => {
    const table = createServiceTable();
    table.names(new Set(['web', 'api']));
    table.put('1', 'web', instance('a'));
    expect([...table.services()].map(([name, { instances }]) => [name, instances.length])).toEqual([
      ['api', 0],
      ['web', 1],
    ]);
    table.names(new Set());
    expect([...table.services().keys()]).toEqual(['web']);
  });

  it('takes the first of two rows with one key', () => {
    const table = createServiceTable();
    table.put('2', 'web', instance('a', 2));
    table.put('1', 'web', instance('a', 1));
    expect(
      table
        .services()
        .get('web')
        ?.instances.map(({ port }) => port),
    ).toEqual([1]);
    table.remove('1');
    expect(
      table
        .services()
        .get('web')
        ?.instances.map(({ port }) => port),
    ).toEqual([2]);
  });
});
