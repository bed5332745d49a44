import { describe, expect, it } from 'vitest';
import type { Intentions } from '../../../src/model/intentions.ts';
import { serviceId } from '../../../src/model/names.ts';
import { nextWorld, type WorldInput } from '../../../src/model/next-world.ts';
import type { World } from '../../../src/model/world.ts';
import { parseIntentions } from '../../../src/sources/consul/intention-entries.ts';
import { letsIn } from '../../support/access.ts';
import { objectSnapshot, registrySnapshot } from '../../support/objects.ts';
import { testInstance } from '../../support/worlds.ts';

const provenance = { source: '', file: '', line: 1, column: 1, object: '' };
const services = { api: [testInstance('a')], web: [testInstance('w')] };

function intentions(sources: readonly object[], fallback: Intentions['fallback'] = 'deny', name = 'api'): Intentions {
  return parseIntentions([{ Name: name, Sources: sources }], { source: 'memory', fallback }).intentions;
}

function input(said: Intentions | undefined, text = '', held: typeof services | { api: [] } = services): WorldInput {
  const registry = registrySnapshot(held, said === undefined ? {} : { intentions: said });
  return { registries: [registry], objects: [objectSnapshot({ 'o.yaml': text })], certificates: true };
}

function lets(world: World, from: string, to = 'api'): boolean {
  const caller = { kind: 'service', service: serviceId('default', from), provenance } as const;
  const list = world.authorizations.get(serviceId('default', to)) ?? [];
  return letsIn(list, { caller, method: 'GET', path: '/', headers: {} });
}

const authorization =
  'apiVersion: chancery/v1\nkind: Authorization\nmetadata: {name: api}\nspec: {service: api, allow: [{from: [web, other]}]}\n';

describe('intentions in a World', () => {
  it('T4: govern every service, also those that they do not name', () => {
    const world = nextWorld(undefined, input(intentions([{ Name: 'web', Action: 'allow' }])));
    expect([lets(world, 'web'), lets(world, 'other'), lets(world, 'api', 'web')]).toEqual([true, false, false]);
    expect(nextWorld(undefined, input(undefined)).authorizations.size).toBe(0);
  });

  it('T4: and an Authorization must both let in', () => {
    const said = [
      { Name: 'web', Action: 'allow' },
      { Name: 'third', Action: 'allow' },
    ];
    const world = nextWorld(undefined, input(intentions(said), authorization));
    expect(['web', 'other', 'third'].map((name) => lets(world, name))).toEqual([true, false, false]);
  });

  it('T8: so many that what both allow could not be worked out in time close their service, and say so', () => {
    const paths = (count: number) => Array.from({ length: count }, (_, n) => ({ prefix: `/p${n}` }));
    const rules = (count: number): string =>
      JSON.stringify({
        ...{ apiVersion: 'chancery/v1', kind: 'Authorization', metadata: { name: 'api' } },
        spec: { service: 'api', allow: [{ to: [{ methods: ['GET'] }] }, { to: [{ paths: paths(count) }] }] },
      });
    const permissions = Array.from({ length: 1_000 }, (_, n) => ({ Action: 'allow', HTTP: { PathExact: `/x${n}` } }));
    const open = [{ Action: 'allow', HTTP: { PathExact: '/' } }, ...permissions.slice(1)];
    const said = intentions([{ Name: 'web', Permissions: open }]);
    const fine = nextWorld(undefined, input(said, rules(40)));
    expect([lets(fine, 'web'), fine.problems.some(({ code }) => code === 'CH1263')]).toEqual([true, false]);
    const world = nextWorld(undefined, input(said, rules(60)));
    expect(lets(world, 'web')).toBe(false);
    expect(world.problems.filter(({ code }) => code === 'CH1263')).toMatchObject([
      { message: expect.stringContaining('too many to hold together') },
    ]);
    const many = intentions([
      { Name: 'web', Permissions: [...open, ...open] },
      { Name: '*', Action: 'allow' },
    ]);
    expect(many.entries.get('api')?.closed).toBe(true);
    expect(lets(nextWorld(undefined, input(many)), 'other')).toBe(false);
  });

  it('T4: govern a service whatever letters they spell it with, as Consul tells its proxies', () => {
    const spelt = [
      { Name: '*', Sources: [{ Name: '*', Action: 'allow' }] },
      { Name: 'Api', Sources: [{ Name: 'web', Action: 'deny' }] },
    ];
    const said = parseIntentions(spelt, { source: 'memory', fallback: 'allow' }).intentions;
    const world = nextWorld(undefined, input(said));
    expect([lets(world, 'web'), lets(world, 'other'), lets(world, 'web', 'Api')]).toEqual([false, true, false]);
  });

  it('T4: govern a service that no registry holds any more', () => {
    const said = intentions([{ Name: 'web', Action: 'allow' }]);
    const first = nextWorld(undefined, input(said));
    const then = nextWorld(first, input(said, '', { api: [] }));
    expect(lets(then, 'api', 'web')).toBe(false);
  });

  it('leave what did not change the same', () => {
    const first = nextWorld(undefined, input(intentions([{ Name: 'web', Action: 'allow' }])));
    expect(nextWorld(first, input(intentions([{ Name: 'web', Action: 'allow' }])))).toBe(first);
    const changed = nextWorld(first, input(intentions([{ Name: 'web', Action: 'deny' }])));
    const [api, web] = [serviceId('default', 'api'), serviceId('default', 'web')];
    expect(changed.authorizations.get(web)).toBe(first.authorizations.get(web));
    expect(changed.authorizations.get(api)).not.toBe(first.authorizations.get(api));
  });

  it('say where they are not enforced, once', () => {
    const off = 'apiVersion: chancery/v1\nkind: Mesh\nmetadata: {name: mesh}\nspec: {mtls: off}\n';
    const world = nextWorld(undefined, input(intentions([]), off));
    expect(world.problems.filter(({ code }) => code === 'CH1265')).toMatchObject([
      { message: 'callers of "api", "web" show no certificate: mtls is off' },
    ]);
  });
});
