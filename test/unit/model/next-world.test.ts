import { describe, expect, it } from 'vitest';
import { serviceId } from '../../../src/model/names.ts';
import { createWorldBuilder, nextWorld, type WorldInput } from '../../../src/model/next-world.ts';
import type { RegistrySnapshot } from '../../../src/model/snapshot.ts';
import { objectSnapshot, registrySnapshot } from '../../support/objects.ts';
import { testInstance } from '../../support/worlds.ts';

const cart = serviceId('default', 'cart');
const web = serviceId('default', 'web');
const objects = [
  objectSnapshot({
    'cart.yaml': 'apiVersion: chancery/v1\nkind: Service\nmetadata: {name: cart}\nspec: {port: 80}\n',
    'shop.yaml':
      'apiVersion: chancery/v1\nkind: Route\nmetadata: {name: shop}\nspec: {hosts: [shop.example], rules: [{to: [{service: cart}]}]}\n' +
      '---\napiVersion: chancery/v1\nkind: Gateway\nmetadata: {name: edge}\nspec: {listeners: [{port: 10000}]}\n',
  }),
];
const base = registrySnapshot({ cart: [testInstance('c-1')], web: [testInstance('w-1'), testInstance('w-2')] });
const input: WorldInput = { registries: [base], objects };

function withService(snapshot: RegistrySnapshot, name: string, instances: readonly ReturnType<typeof testInstance>[]) {
  return { ...snapshot, services: new Map(snapshot.services).set(name, { name, instances }) };
}

describe('nextWorld', () => {
  it('gives the very same World for equal input, though every snapshot is a new object', () => {
    const world = nextWorld(undefined, input);
    const again: WorldInput = {
      registries: [{ ...base, services: new Map(base.services) }],
      objects: objects.map((snapshot) => ({
        ...snapshot,
        documents: new Map([...snapshot.documents].map(([path, document]) => [path, { ...document }])),
      })),
    };
    expect(nextWorld(world, again)).toBe(world);
    expect(world.revision).toBe(1);
  });

  it('shares everything but the one list that an instance event changed', () => {
    const before = nextWorld(undefined, input);
    const instances = [testInstance('c-1', { health: 'critical' })];
    const after = nextWorld(before, { registries: [withService(base, 'cart', instances)], objects });
    expect(after.revision).toBe(2);
    expect(after.endpoints.get(cart)).toBe(instances);
    expect(after.endpoints.get(web)).toBe(before.endpoints.get(web));
    for (const key of ['mesh', 'services', 'upstreams', 'routes', 'gateways', 'problems', 'sources'] as const)
      expect(after[key]).toBe(before[key]);
  });

  it('keeps the old list where a record is new but says the same', () => {
    const before = nextWorld(undefined, input);
    const after = nextWorld(before, {
      registries: [withService(base, 'web', [testInstance('w-1'), testInstance('w-2')])],
      objects,
    });
    expect(after).toBe(before);
  });

  it('shares the other objects of a document when one of them is edited', () => {
    const before = nextWorld(undefined, input);
    const documents = new Map(objects[0]?.documents);
    const text = (documents.get('shop.yaml')?.text ?? '').replace('10000', '10001');
    documents.set('shop.yaml', { path: 'shop.yaml', text });
    const after = nextWorld(before, { registries: [base], objects: [{ ...objectSnapshot({}), documents }] });
    expect(after.gateways.get('edge')?.listeners[0]?.port).toBe(10_001);
    expect(after.routes).toBe(before.routes);
    expect(after.services).toBe(before.services);
    expect(after.endpoints).toBe(before.endpoints);
  });

  it('changes one service when the mesh defaults change nothing for the others', () => {
    const before = nextWorld(undefined, input);
    const edited = objectSnapshot(
      {
        'web.yaml': 'apiVersion: chancery/v1\nkind: Service\nmetadata: {name: web}\nspec: {timeouts: {connect: 2s}}\n',
      },
      'other',
    );
    const after = nextWorld(before, { registries: [base], objects: [...objects, edited] });
    expect(after.services.get(web)?.connectTimeoutMs).toBe(2000);
    expect(after.services.get(cart)).toBe(before.services.get(cart));
    expect(after.endpoints).toBe(before.endpoints);
  });

  it('is not disturbed by other Worlds made from the same one', () => {
    const before = nextWorld(undefined, input);
    const whatIf = nextWorld(before, { registries: [], objects: [] });
    expect(whatIf.services.size).toBe(0);
    expect(nextWorld(before, input)).toBe(before);
    expect(nextWorld(whatIf, input)).toEqual({ ...before, revision: 3 });
  });

  it('is frozen, and so is what objects were made into', () => {
    const world = nextWorld(undefined, input);
    const route = world.routes[0];
    for (const part of [
      world,
      world.mesh,
      route,
      route?.rules[0]?.matches[0],
      world.services.get(cart),
      world.services.get(web),
    ])
      expect(part !== undefined && Object.isFrozen(part)).toBe(true);
    expect(Object.isFrozen(world.gateways.get('edge')?.listeners[0])).toBe(true);
  });

  it('shares a service through edits that change nothing of it', () => {
    let world = nextWorld(undefined, input);
    const first = world.services.get(cart);
    for (const comment of ['# one', '# two', '# three']) {
      const text = `apiVersion: chancery/v1\nkind: Service\nmetadata: {name: cart}\nspec: {port: 80}\n${comment}\n`;
      const documents = new Map(objects[0]?.documents).set('cart.yaml', { path: 'cart.yaml', text });
      world = nextWorld(world, { registries: [base], objects: [{ ...objectSnapshot({}), documents }] });
      expect(world.services.get(cart)).toBe(first);
    }
    expect(world.revision).toBe(1);
  });

  it('serves nothing of an incomplete source, and names it', () => {
    const world = nextWorld(undefined, { registries: [{ ...base, complete: false }], objects });
    expect(world.endpoints.size).toBe(0);
    expect([...world.services.keys()]).toEqual(['cart']);
    expect(world.sources.get('memory')).toEqual({ name: 'memory', kind: 'memory', revision: '1', complete: false });
  });

  it('shows the state of sources and their problems', () => {
    const degraded = { kind: 'partial', reason: 'filtered' } as const;
    const at = { source: 'memory', file: 'k', line: 1, column: 1, object: '' };
    const problem = { code: 'CH1301', severity: 'error', message: 'm', hint: 'h', path: '', at } as const;
    const world = nextWorld(undefined, { registries: [{ ...base, degraded, problems: [problem] }], objects });
    expect(world.sources.get('memory')?.degraded).toBe(degraded);
    expect(world.problems).toContain(problem);
  });

  it('follows services that come, go, and come back', () => {
    const builder = createWorldBuilder();
    const first = builder.next(input);
    const second = builder.next({ registries: [withService(base, 'stock', [testInstance('s-1')])], objects });
    expect([...second.services.keys()]).toEqual(['cart', 'stock', 'web']);
    expect([...second.endpoints.keys()]).toEqual(['cart', 'stock', 'web']);
    expect(second.services.get(cart)).toBe(first.services.get(cart));
    const third = builder.next(input);
    expect(third).toEqual({ ...first, revision: 3 });
    const gone = builder.next({ registries: [withService(base, 'cart', [])], objects });
    expect(gone.endpoints.has(cart)).toBe(false);
    expect(gone.problems.map(({ code }) => code)).toEqual(['CH1212']);
    expect(builder.next(input).problems).toEqual([]);
  });

  it('keeps declared upstreams by service and instance', () => {
    const upstreams = new Map([['w-1', [{ service: 'cart', address: '127.0.0.1', port: 9000 }]]]);
    const services = new Map(base.services).set('web', { name: 'web', instances: [testInstance('w-1')], upstreams });
    const world = nextWorld(undefined, { registries: [{ ...base, services }], objects });
    expect(world.upstreams.get(web)).toBe(upstreams);
    expect(world.upstreams.size).toBe(1);
  });

  it('leaves out a registered name that cannot be one, visibly', () => {
    const world = nextWorld(undefined, { registries: [withService(base, 'prod|cart', [testInstance('x')])], objects });
    expect([...world.services.keys()]).toEqual(['cart', 'web']);
    expect(world.problems.map(({ code, message }) => [code, message])).toEqual([
      ['CH1109', '"prod|cart" of "memory" is left out'],
    ]);
  });
});

describe('several registries', () => {
  const a = registrySnapshot(
    { cart: [testInstance('c-1', { address: '10.0.0.1' })] },
    { source: 'consul', kind: 'consul' },
  );
  const b = registrySnapshot(
    {
      cart: [
        testInstance('c-1', { key: 'etcd/c-1', address: '10.0.0.1' }),
        testInstance('c-2', { key: 'etcd/c-2', address: '10.0.0.2' }),
      ],
    },
    { source: 'etcd', kind: 'etcd' },
  );

  it('join; the first holds an address that both have, and the overlap is named', () => {
    const world = nextWorld(undefined, { registries: [a, b], objects: [] });
    expect(world.endpoints.get(cart)?.map(({ key }) => key)).toEqual(['etcd/c-2', 'memory/c-1']);
    expect(world.problems.map(({ code, severity, message }) => [code, severity, message])).toEqual([
      ['CH1104', 'warning', 'instance 10.0.0.1:8080 of "etcd" is already held by "consul"'],
    ]);
    const turned = nextWorld(undefined, { registries: [b, a], objects: [] });
    expect(turned.endpoints.get(cart)?.map(({ key }) => key)).toEqual(['etcd/c-1', 'etcd/c-2']);
  });

  it('are chosen by kind or by name', () => {
    const chosen = (from: string) =>
      nextWorld(undefined, {
        registries: [a, b],
        objects: [
          objectSnapshot({
            'c.yaml': `apiVersion: chancery/v1\nkind: Service\nmetadata: {name: cart}\nspec: {from: ${from}}\n`,
          }),
        ],
      })
        .endpoints.get(cart)
        ?.map(({ key }) => key);
    expect(chosen('{consul: cart}')).toEqual(['memory/c-1']);
    expect(chosen('{sources: [etcd]}')).toEqual(['etcd/c-1', 'etcd/c-2']);
    expect(chosen('{service: other}')).toBeUndefined();
  });
});

describe('a Service object', () => {
  const serviceWorld = (spec: string, services: Parameters<typeof registrySnapshot>[0] = {}) =>
    nextWorld(undefined, {
      registries: [registrySnapshot(services)],
      objects: [
        objectSnapshot({ 'c.yaml': `apiVersion: chancery/v1\nkind: Service\nmetadata: {name: cart}\nspec: ${spec}\n` }),
      ],
    });

  it('filters instances by metadata', () => {
    const services = { basket: [testInstance('a', { metadata: { tier: 'x' } }), testInstance('b')] };
    const world = serviceWorld('{from: {service: basket, metadata: {tier: x}}}', services);
    expect(world.endpoints.get(cart)?.map(({ id }) => id)).toEqual(['a']);
    expect([...world.services.keys()]).toEqual(['basket', 'cart']);
  });

  it('adds the endpoints it lists', () => {
    const world = serviceWorld(
      '{port: 80, endpoints: [{address: 10.0.0.2, port: 81, weight: 3, health: warning, metadata: {v: a}, zone: z1}, {address: 10.0.0.1, proxyPort: 20000}]}',
      { cart: [testInstance('c-1')] },
    );
    expect(world.endpoints.get(cart)).toMatchObject([
      { id: 'c-1' },
      { address: '10.0.0.1', port: 80, proxy: { address: '10.0.0.1', port: 20_000, localPort: 80 } },
      { address: '10.0.0.2', port: 81, weight: 3, health: 'warning', metadata: { v: 'a' }, locality: { zone: 'z1' } },
    ]);
  });

  it('does not take a host that is the name of another service', () => {
    const world = serviceWorld('{hosts: [web.service.local, basket.example]}', {
      web: [testInstance('w')],
      cart: [testInstance('c')],
    });
    expect(world.services.get(cart)?.hosts).toEqual(['basket.example']);
    expect(world.problems.map(({ code, message }) => [code, message])).toEqual([
      ['CH1211', 'host "web.service.local" belongs to service "web"'],
    ]);
  });
});

describe('two objects of one key', () => {
  const text = (port: number, created = ''): string =>
    `apiVersion: chancery/v1\nkind: Service\nmetadata: {name: cart${created}}\nspec: {port: ${port}}\n`;
  const portOf = (given: WorldInput['objects']): number | undefined =>
    nextWorld(undefined, { registries: [base], objects: given }).services.get(cart)?.port;

  it('are decided by creation time, then order in one store, then source and path; the loser is named', () => {
    expect(
      portOf([objectSnapshot({ 'a.yaml': text(1), 'b.yaml': text(2, ', creationTimestamp: 2020-01-01T00:00:00Z') })]),
    ).toBe(2);
    const stored = objectSnapshot({});
    const documents = new Map([
      ['a', { path: 'a', text: text(1), created: 9 }],
      ['b', { path: 'b', text: text(2), created: 8 }],
    ]);
    expect(portOf([{ ...stored, documents }])).toBe(2);
    expect(portOf([objectSnapshot({ 'b.yaml': text(2), 'a.yaml': text(1) })])).toBe(1);
    expect(portOf([objectSnapshot({ 'a.yaml': text(1) }, 'z'), objectSnapshot({ 'z.yaml': text(2) }, 'a')])).toBe(2);
    const world = nextWorld(undefined, {
      registries: [base],
      objects: [objectSnapshot({ 'a.yaml': text(1), 'b.yaml': `# second\n${text(2)}` })],
    });
    expect(world.problems.map(({ code, message, at }) => [code, message, at.file, at.line])).toEqual([
      ['CH1101', 'is also defined at a.yaml:1:1, which holds', 'b.yaml', 2],
    ]);
  });

  it('of kind Mesh: the older one holds', () => {
    const mesh = (name: string, domain: string): string =>
      `apiVersion: chancery/v1\nkind: Mesh\nmetadata: {name: ${name}}\nspec: {domain: ${domain}, mtls: strict}\n`;
    const world = nextWorld(undefined, {
      registries: [],
      objects: [objectSnapshot({ 'b.yaml': mesh('b', 'b.example'), 'a.yaml': mesh('a', 'a.example') })],
    });
    expect(world.mesh).toMatchObject({ domain: 'a.example', trustDomain: 'a.example', mtls: 'off' });
    expect(world.problems.map(({ code }) => code)).toEqual(['CH1235', 'CH1106']);
  });
});
