import { describe, expect, it } from 'vitest';
import { typeUrls } from '../../../../src/resources/type-urls.ts';
import type { ViewContent } from '../../../../src/translate/contract.ts';
import { createTranslator } from '../../../../src/translate/translate.ts';
import { testProtos } from '../../../support/protos.ts';
import { testInstance, testService, testWorld } from '../../../support/worlds.ts';

const profile = { role: 'proxyless' } as const;

function listener(content: ViewContent, name: string): unknown {
  const made = content.onDemand?.get(name);
  return made === undefined ? undefined : testProtos().decode(made.type, made.bytes);
}

function routesOf(content: ViewContent, name: string): string | undefined {
  return content.onDemand?.get(name)?.deps[0]?.name;
}

describe('the view of a gRPC client', () => {
  const world = testWorld({ cart: [testInstance('c')], web: [testInstance('w')] });

  it('has a listener for every name a request may use, with and without port, and for no other', () => {
    const content = createTranslator({ protos: testProtos() }).view(world, profile);
    for (const host of [
      'cart',
      'cart.default',
      'cart.service.local',
      'cart.default.service.local',
      'cart.service.consul',
    ])
      for (const name of [host, `${host}:8080`, host.toUpperCase()]) {
        expect(listener(content, name), name).toMatchObject({ name });
        expect(routesOf(content, name), name).toBe('cart');
      }
    for (const name of [
      '',
      '*',
      ':80',
      'crat',
      'cart.other',
      'cart:x',
      'grpc/server?xds.resource.listening_address=web',
    ])
      expect(listener(content, name), name).toBeUndefined();
    expect([...(content.resources.get(typeUrls.listener)?.keys() ?? [])]).toEqual([]);
  });

  it('gives a server the very address it asked for', () => {
    const content = createTranslator({ protos: testProtos() }).view(world, profile);
    const name = 'grpc/server?xds.resource.listening_address=[::]:50051';
    expect(listener(content, name)).toMatchObject({
      name,
      address: { socketAddress: { address: '::', portValue: 50051 } },
    });
    expect(listener(content, name.replace('50051', '0'))).toBeUndefined();
    expect(listener(content, name.replace('50051', '65536'))).toBeUndefined();
  });

  it('keeps what did not change the same object, and answers anew where something did', () => {
    const translator = createTranslator({ protos: testProtos() });
    const before = translator.view(world, profile);
    const held = before.onDemand?.get('web');
    const next = testWorld({ cart: [testInstance('c')], web: [testInstance('w')], x: [] });
    const services = new Map([...next.services].map(([id, service]) => [id, world.services.get(id) ?? service]));
    const after = translator.view({ ...next, services }, profile);
    expect(after.onDemand).not.toBe(before.onDemand);
    expect(after.onDemand?.get('web')).toBe(held);
    for (const type of [typeUrls.cluster, typeUrls.routes])
      expect(after.resources.get(type)?.get('web')).toBe(before.resources.get(type)?.get('web'));
    expect(after.onDemand?.get('x')).toBeDefined();
    const gone = translator.view({ ...world, services: new Map([...world.services].slice(0, 1)) }, profile);
    expect(gone.onDemand?.get('web')).toBeUndefined();
  });

  it('is the same object while only endpoints change', () => {
    const translator = createTranslator({ protos: testProtos() });
    const before = translator.view(world, profile);
    const endpoints = new Map([...world.endpoints].map(([id]) => [id, [testInstance('other')] as const]));
    expect(translator.view({ ...world, endpoints }, profile)).toBe(before);
  });

  it('tells a service with several host names, and serves one alone', () => {
    const named = (id: string) => testInstance(id, { address: `${id}.example` });
    const several = testWorld({ one: [named('a')], two: [named('a'), testInstance('b')] });
    const content = createTranslator({ protos: testProtos() }).view(several, profile);
    const cluster = (name: string) => {
      const made = content.resources.get(typeUrls.cluster)?.get(name);
      return made === undefined ? undefined : testProtos().decode(made.type, made.bytes);
    };
    expect(cluster('one')).toMatchObject({ type: 'LOGICAL_DNS' });
    expect(cluster('two')).toMatchObject({ type: 'EDS' });
    expect(content.problems.filter(({ code }) => code === 'CH1404').map(({ message }) => message)).toEqual([
      'service "two" has host names among its 2 instances, and a gRPC client takes one alone: it gets none',
    ]);
  });

  it('never gives a service the place of the cluster for nothing', () => {
    const taken = testWorld({ chancery_nowhere: [testInstance('a')] }, {});
    const content = createTranslator({ protos: testProtos() }).view(taken, profile);
    expect([...(content.resources.get(typeUrls.cluster)?.keys() ?? [])].sort()).toEqual([
      'chancery_nowhere',
      'default|chancery_nowhere',
    ]);
    expect(testService('chancery_nowhere').id).toBe('chancery_nowhere');
  });
});
