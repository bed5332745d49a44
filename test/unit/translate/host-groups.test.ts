import { describe, expect, it } from 'vitest';
import { serviceId } from '../../../src/model/names.ts';
import type { World } from '../../../src/model/world.ts';
import { hostGroups } from '../../../src/translate/host-groups.ts';
import { admittedHosts } from '../../../src/translate/host-match.ts';
import { testRoute } from '../../support/routes.ts';
import { testService, testWorld } from '../../support/worlds.ts';

function shape(world: World) {
  return hostGroups(world, undefined).all.map(({ hosts, routes, service }) => ({
    hosts,
    routes: routes.map(({ name }) => name),
    service: service?.id,
  }));
}

describe('hostGroups', () => {
  it('lets a Route that claims one name of a service hold for all its names', () => {
    const world = testWorld({ web: [], api: [] }, { routes: [testRoute('r', { hosts: ['web', 'shop.example'] })] });
    const names = (name: string): string[] => [
      name,
      ...['default', 'default.service.local', 'service.consul', 'service.local'].map((domain) => `${name}.${domain}`),
    ];
    expect(shape(world)).toEqual([
      { hosts: names('api'), routes: [], service: 'api' },
      { hosts: ['shop.example'], routes: ['r'], service: undefined },
      { hosts: names('web'), routes: ['r'], service: 'web' },
    ]);
  });

  it('joins Routes that claim different names of one service', () => {
    const routes = [testRoute('a', { hosts: ['web'] }), testRoute('b', { hosts: ['web.service.local'] })];
    const [group, ...others] = shape(testWorld({ web: [] }, { routes }));
    expect([group?.routes, group?.hosts.length, others]).toEqual([['a', 'b'], 5, []]);
  });

  it('joins hosts with the same claims', () => {
    const routes = [testRoute('a', { hosts: ['x', 'y'] }), testRoute('b', { hosts: ['y', 'z', 'x'] })];
    expect(shape(testWorld({}, { routes }))).toEqual([
      { hosts: ['x', 'y'], routes: ['a', 'b'], service: undefined },
      { hosts: ['z'], routes: ['b'], service: undefined },
    ]);
  });

  it('gives a host that two services want to the first, and none to a TCP service', () => {
    const services = new Map(
      [
        testService('a', { hosts: ['shared.example'] }),
        testService('b', { hosts: ['shared.example'] }),
        testService('db', { protocol: 'tcp' }),
      ].map((service) => [service.id, service] as const),
    );
    const owners = shape(testWorld({}, { services })).filter(({ hosts }) => hosts.includes('shared.example'));
    expect(owners.map(({ service }) => service)).toEqual(['a']);
    expect(hostGroups(testWorld({}, { services }), undefined).has('db')).toBe(false);
  });

  it('keeps the groups that a change does not name', () => {
    const world = testWorld({ web: [], cart: [] }, { routes: [testRoute('a'), testRoute('b')] });
    const first = hostGroups(world, undefined);
    const [, b] = world.routes;
    const changed = { ...world, routes: [testRoute('a', { to: 'cart' }), ...(b === undefined ? [] : [b])] };
    const second = hostGroups(changed, first);
    expect(second.all.filter((group) => !first.all.includes(group)).map(({ name }) => name)).toEqual(['a.example']);
    const web = world.services.get(serviceId('default', 'web'));
    if (web === undefined) throw new Error('no web');
    const services = new Map([...world.services, [web.id, { ...web, requestTimeoutMs: 1 }]]);
    const third = hostGroups({ ...changed, services }, second);
    // What leads to web: its own names, and the Route b.
    expect(third.all.filter((group) => !second.all.includes(group)).map(({ name }) => name)).toEqual([
      'b.example',
      'web',
    ]);
  });
});

describe('admittedHosts', () => {
  const admitted = (hosts: readonly string[], patterns: readonly string[]) => {
    const routes = hosts.map((host, index) => testRoute(`r${index}`, { hosts: [host] }));
    const groups = hostGroups(testWorld({}, { routes }), undefined);
    return Object.fromEntries([...admittedHosts(groups, patterns)].map(([group, list]) => [group.name, list]));
  };

  it('is everything for a listener without hosts', () => {
    expect(admitted(['a.example', '*.b.example'], [])).toEqual({
      'a.example': ['a.example'],
      '*.b.example': ['*.b.example'],
    });
  });

  it('keeps what a pattern covers, whole segments only', () => {
    expect(admitted(['a.shop.example', 'shop.example', 'xshop.example'], ['*.shop.example'])).toEqual({
      'a.shop.example': ['a.shop.example'],
    });
  });

  it('narrows a wider Route to the listener, the longest one only', () => {
    expect(admitted(['*.example', '*.shop.example'], ['a.shop.example'])).toEqual({
      '*.shop.example': ['a.shop.example'],
    });
    expect(admitted(['*'], ['a.example'])).toEqual({ '*': ['a.example'] });
    expect(admitted(['*.example', 'a.example'], ['a.example'])).toEqual({ 'a.example': ['a.example'] });
  });
});
