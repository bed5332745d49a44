import { describe, expect, it } from 'vitest';
import { createViews } from '../../../src/control/views.ts';
import type { World } from '../../../src/model/world.ts';
import type { Resource, ResourceRef } from '../../../src/resources/resource.ts';
import { type TypeUrl, typeUrls } from '../../../src/resources/type-urls.ts';
import type { Translator } from '../../../src/translate/contract.ts';
import type { ProxyProfile } from '../../../src/translate/profile.ts';
import { testInstance, testWorld } from '../../support/worlds.ts';

const edge = { role: 'gateway', gateway: 'edge' } as const satisfies ProxyProfile;
const inner = { role: 'gateway', gateway: 'inner' } as const satisfies ProxyProfile;

function resource(type: TypeUrl, name: string, version: string): Resource {
  return { type, name, version, bytes: new Uint8Array(), deps: [], provenance: [] };
}

/** One cluster and one CLA a service; versions follow the identity of their inputs. */
function plainTranslator(): Translator & { views: number } {
  const memo = new WeakMap<object, Resource>();
  let made = 0;
  const of = (input: object, type: TypeUrl, name: string): Resource => {
    const known = memo.get(input);
    if (known !== undefined) return known;
    const created = resource(type, name, String(++made));
    memo.set(input, created);
    return created;
  };
  const translator = {
    views: 0,
    view(world: World) {
      translator.views++;
      const clusters = new Map(
        [...world.services].map(([id, service]) => [id as string, of(service, typeUrls.cluster, id)]),
      );
      return { resources: new Map([[typeUrls.cluster as TypeUrl, clusters]]), problems: [] };
    },
    endpoints: (world: World) =>
      new Map([...world.endpoints].map(([id, instances]) => [id as string, of(instances, typeUrls.endpoints, id)])),
    endpointFacts: (world: World) => world.services,
    counters: { ran: new Map(), encoded: new Map() },
  };
  return translator;
}

describe('views', () => {
  it('publishes every view but one that cannot be made, and that one later', () => {
    const translator = plainTranslator();
    const plain = translator.view.bind(translator);
    let broken = false;
    translator.view = (world, profile) => {
      if (broken && profile.role === 'gateway' && profile.gateway === 'edge') throw new Error('cannot be made');
      return plain(world, profile);
    };
    const views = createViews(translator, testWorld({ api: [] }));
    const told: Record<string, string[]> = { edge: [], inner: [] };
    for (const profile of [edge, inner])
      views.open(profile, (changed) => told[profile.gateway]?.push(...changed.map(({ name }) => name)));
    broken = true;
    const second = testWorld({ api: [], web: [] });
    expect(() => views.publishContent(second)).toThrow('cannot be made');
    expect(told).toEqual({ edge: [], inner: ['api', 'web'] });
    broken = false;
    views.publishContent(second);
    expect(told['edge']).toEqual(['api', 'web']);
  });

  it('shares one view among proxies of equal profile and drops it with the last', () => {
    const translator = plainTranslator();
    const views = createViews(translator, testWorld({ api: [] }));
    const first = views.open(edge, () => {});
    const second = views.open({ ...edge }, () => {});
    expect(first.view).toBe(second.view);
    expect(translator.views).toBe(1);
    first.close();
    second.close();
    expect([...views.contents()]).toEqual([]);
  });

  it('publishes one endpoint event as one name, without translating any view', () => {
    const translator = plainTranslator();
    const world = testWorld({ api: [testInstance('a')], web: [testInstance('w')] });
    const views = createViews(translator, world);
    const seen: ResourceRef[][] = [];
    const open = views.open(edge, (changed) => seen.push([...changed]));
    const next: World = { ...world, endpoints: new Map([...world.endpoints, ['api' as never, [testInstance('b')]]]) };
    const { view } = open;
    const before = view.get(typeUrls.endpoints, 'api');
    expect(views.publishEndpoints(next)).toEqual(['api']);
    expect(seen).toEqual([]);
    expect(translator.views).toBe(1);
    expect(open.view).toBe(view);
    expect(view.get(typeUrls.endpoints, 'api')).not.toBe(before);
    expect(view.get(typeUrls.endpoints, 'web')?.name).toBe('web');
  });

  it('tells additions, changes and removals of structure by name', () => {
    const world = testWorld({ api: [], web: [] });
    const views = createViews(plainTranslator(), world);
    const seen: ResourceRef[] = [];
    views.open(edge, (changed) => seen.push(...changed));
    const after = testWorld({ api: [], cart: [] });
    views.publishContent({
      ...after,
      services: new Map([...after.services].map(([id, service]) => [id, world.services.get(id) ?? service])),
    });
    expect(seen.map(({ name }) => name).sort()).toEqual(['cart', 'web']);
  });

  it('says nothing when a World changes nothing for a view', () => {
    const world = testWorld({ api: [] });
    const views = createViews(plainTranslator(), world);
    let told = 0;
    views.open(edge, () => told++);
    views.publishContent({ ...world, revision: 2 });
    expect(views.publishEndpoints({ ...world, revision: 2 })).toEqual([]);
    expect(told).toBe(0);
  });

  it('follows a proxy to another profile', () => {
    const views = createViews(plainTranslator(), testWorld({ api: [] }));
    const open = views.open(edge, () => {});
    expect(open.move(edge)).toBe(false);
    expect(open.move(inner)).toBe(true);
    expect([...views.contents()].map(({ profile }) => profile)).toEqual([inner]);
  });

  it('answers by name what is made on demand, and tells that any of it may have changed', () => {
    const asked = (version: string) => ({
      type: typeUrls.listener,
      get: (name: string) => (name === 'cart' ? resource(typeUrls.listener, name, version) : undefined),
    });
    let onDemand = asked('1');
    const plain = plainTranslator();
    const translator = {
      ...plain,
      view: (world: World, profile: ProxyProfile) => ({ ...plain.view(world, profile), onDemand }),
    };
    const world = testWorld({ cart: [testInstance('a')] });
    const views = createViews(translator, world);
    const told: ResourceRef[][] = [];
    const open = views.open({ role: 'proxyless' }, (changed) => told.push([...changed]));
    expect(open.view.get(typeUrls.listener, 'cart')?.version).toBe('1');
    expect(open.view.get(typeUrls.listener, 'crat')).toBeUndefined();
    expect(open.view.get(typeUrls.routes, 'cart')).toBeUndefined();
    expect([...open.view.names(typeUrls.listener)]).toEqual([]);
    views.publishContent({ ...world });
    expect(told).toEqual([]);
    onDemand = asked('2');
    views.publishContent({ ...world });
    expect(told).toEqual([[{ type: typeUrls.listener, name: '*' }]]);
    expect(open.view.get(typeUrls.listener, 'cart')?.version).toBe('2');
  });
});
