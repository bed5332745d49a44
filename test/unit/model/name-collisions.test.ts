// Two services that would answer to one name: one of them holds it, the other one is told, whatever the order of input.
import { describe, expect, it } from 'vitest';
import { nextWorld } from '../../../src/model/next-world.ts';
import { byClaim } from '../../../src/model/request-names.ts';
import { hostOwners } from '../../../src/translate/host-owners.ts';
import { objectSnapshot, registrySnapshot } from '../../support/objects.ts';
import { testProvenance } from '../../support/routes.ts';
import { testInstance, testService } from '../../support/worlds.ts';

const service = (name: string, spec = '{}', namespace = 'default'): string =>
  `apiVersion: chancery/v1\nkind: Service\nmetadata: {name: ${name}, namespace: ${namespace}}\nspec: ${spec}\n`;

function settled(objects: Readonly<Record<string, string>>, registered: readonly string[] = []) {
  const world = nextWorld(undefined, {
    registries: [registrySnapshot(Object.fromEntries(registered.map((name) => [name, [testInstance(name)]])))],
    objects: [objectSnapshot(objects)],
  });
  const { of, hosts } = hostOwners(world, undefined);
  const names = [...hosts.values()].flat().map((name) => name.toLowerCase());
  expect(new Set(names).size).toBe(names.length);
  return {
    owner: (host: string): string | undefined => of.get(host)?.id,
    told: world.problems
      .filter(({ code }) => code === 'CH1211')
      .map(({ at, message, severity }) => `${severity} ${at.object}: ${message}`),
  };
}

describe('T19: names that two services would answer to', () => {
  it('by case: the one with an object before the one that only a registry knows', () => {
    const { owner, told } = settled({ 'a.yaml': service('cart') }, ['Cart', 'cart']);
    expect(owner('cart')).toBe('cart');
    expect(told).toEqual([
      'warning Service default/Cart: hosts "cart", "cart.service.local", "cart.service.consul", "cart.default", "cart.default.service.local" belong to service "cart"',
    ]);
    expect(settled({}, ['cart', 'Cart']).owner('cart')).toBe('Cart');
  });

  it('by dots: cart.prod beside prod/cart', () => {
    const { owner, told } = settled({ 'a.yaml': service('cart', '{}', 'prod'), 'b.yaml': service('cart.prod') });
    expect(owner('cart.prod')).toBe('cart.prod');
    expect(owner('cart.prod.service.consul')).toBe('cart.prod');
    expect(told).toEqual([
      'warning Service prod/cart: hosts "cart.prod", "cart.prod.service.local" belong to service "cart.prod"',
    ]);
  });

  it('a written host: generated names first, then the first service by name, whatever the file order and case', () => {
    const a = service('a', '{hosts: [Shop.example, web]}');
    const b = service('b', '{hosts: [shop.EXAMPLE]}');
    for (const files of [
      { '1.yaml': a, '2.yaml': b },
      { '1.yaml': b, '2.yaml': a },
    ]) {
      const { owner, told } = settled(files, ['web']);
      expect([owner('shop.example'), owner('web')]).toEqual(['a', 'web']);
      expect(told.sort()).toEqual([
        'error Service default/a: host "web" belongs to service "web"',
        'error Service default/b: host "shop.example" belongs to service "a"',
      ]);
    }
  });

  it('a TCP service takes no name, because none chooses it', () => {
    const { owner, told } = settled({
      'a.yaml': service('Cart', '{protocol: tcp, hosts: [x.example]}'),
      'b.yaml': service('cart', '{hosts: [x.example]}'),
    });
    expect([owner('cart'), owner('x.example'), told]).toEqual(['cart', 'cart', []]);
  });

  it.each(['shop.example.', 'shop.example:80', 'http://shop.example', 'sh op', '*.', '**.x', 'x.*'])(
    'a host written as %j is an error, never another name for the same',
    (host) => {
      const world = nextWorld(undefined, {
        registries: [],
        objects: [
          objectSnapshot({
            'r.yaml': `apiVersion: chancery/v1\nkind: Route\nmetadata: {name: r}\nspec: {hosts: [${JSON.stringify(host)}], rules: [{respond: {status: 200}}]}\n`,
          }),
        ],
      });
      expect(world.routes).toEqual([]);
      expect(world.problems).toMatchObject([{ code: 'CH1005' }]);
    },
  );

  it('the order of claims does not depend on the order given', () => {
    const written = testService('z', { provenance: [testProvenance('z')] });
    const all = [testService('b'), written, testService('a')];
    expect(byClaim(all).map(({ id }) => id)).toEqual(['z', 'a', 'b']);
    expect(byClaim(all.toReversed())).toEqual(byClaim(all));
  });
});
