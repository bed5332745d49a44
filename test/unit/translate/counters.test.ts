// How much work a change really causes, counted: the point of the memo.
import { describe, expect, it } from 'vitest';
import type { Instance } from '../../../src/model/instance.ts';
import { serviceId } from '../../../src/model/names.ts';
import type { World } from '../../../src/model/world.ts';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import type { TranslateCounters } from '../../../src/translate/contract.ts';
import type { ProxyProfile } from '../../../src/translate/profile.ts';
import { createTranslator } from '../../../src/translate/translate.ts';
import { testProtos } from '../../support/protos.ts';
import { testRoute } from '../../support/routes.ts';
import { testInstance, testWorld } from '../../support/worlds.ts';

const names = Array.from({ length: 30 }, (_, index) => `s${index}`);
const profiles: readonly ProxyProfile[] = [
  { role: 'gateway', gateway: 'edge' },
  ...names.slice(0, 8).map(
    (name): ProxyProfile => ({
      role: 'sidecar',
      service: serviceId('default', name),
      inbound: [{ address: '10.0.0.1', port: 21000, appAddress: '127.0.0.1', appPort: 80 }],
      outbound: { address: '127.0.0.1', port: 15001 },
      upstreams: [],
    }),
  ),
];

function start() {
  const world = testWorld(Object.fromEntries(names.map((name) => [name, [testInstance(`${name}-1`)]])), {
    routes: names.slice(0, 10).map((name) => testRoute(`r-${name}`, { hosts: [`${name}.example`], to: name })),
  });
  const translator = createTranslator({ protos: testProtos() });
  const all = (next: World) => ({
    endpoints: translator.endpoints(next),
    views: profiles.map((profile) => translator.view(next, profile)),
  });
  const first = all(world);
  const counted = (): TranslateCounters => ({
    ran: new Map(translator.counters.ran),
    encoded: new Map(translator.counters.encoded),
  });
  return { world, first, all, counted };
}

/** What was added to the counters, without what was not. */
function since(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries(
    [...after]
      .map(([name, count]) => [name, count - (before.get(name) ?? 0)] as const)
      .filter(([, count]) => count > 0),
  );
}

function withInstances(world: World, name: string, instances: readonly Instance[]): World {
  return {
    ...world,
    revision: world.revision + 1,
    endpoints: new Map([...world.endpoints, [serviceId('default', name), instances]]),
  };
}

describe('the work of a change', () => {
  it('is nothing when nothing changed', () => {
    const { world, first, all, counted } = start();
    const before = counted();
    const again = all({ ...world, revision: 2 });
    expect(since(before.ran, counted().ran)).toEqual({});
    expect(since(before.encoded, counted().encoded)).toEqual({});
    expect(again.endpoints).toBe(first.endpoints);
    for (const [index, view] of again.views.entries()) expect(view).toBe(first.views[index]);
  });

  it('is one message for one endpoint event, and no view is touched', () => {
    const { world, first, all, counted } = start();
    const before = counted();
    const next = all(withInstances(world, 's3', [testInstance('s3-1'), testInstance('s3-2', { port: 81 })]));
    expect(since(before.ran, counted().ran)).toEqual({ endpoints: 1 });
    expect(since(before.encoded, counted().encoded)).toEqual({ EDS: 1 });
    for (const [index, view] of next.views.entries()) expect(view).toBe(first.views[index]);
    const changed = [...next.endpoints].filter(([name, resource]) => first.endpoints.get(name) !== resource);
    expect(changed.map(([name]) => name)).toEqual(['s3']);
  });

  it('is known to touch views where Envoy resolves host names, and only there', () => {
    const { world, all } = start();
    const translator = createTranslator({ protos: testProtos() });
    const facts = translator.endpointFacts?.(world);
    const more = withInstances(world, 's3', [testInstance('s3-1'), testInstance('s3-2', { port: 81 })]);
    expect(translator.endpointFacts?.(more)).toBe(facts);
    const named = withInstances(more, 's3', [testInstance('s3-1', { address: 'one.internal' })]);
    const withName = translator.endpointFacts?.(named);
    expect(withName).not.toBe(facts);
    const twoNames = withInstances(named, 's3', [
      testInstance('s3-1', { address: 'one.internal' }),
      testInstance('s3-2', { address: 'two.internal' }),
    ]);
    expect(translator.endpointFacts?.(twoNames)).not.toBe(withName);
    const view = all(twoNames).views[0];
    expect(view?.resources.get(typeUrls.cluster)?.get('s3')?.deps).toEqual([]);
    expect(all(world).views[0]?.resources.get(typeUrls.cluster)?.get('s3')?.deps).toHaveLength(1);
  });

  it('is one virtual host and one configuration of each kind for one route change', () => {
    const { world, first, all, counted } = start();
    const before = counted();
    const changed = testRoute('r-s0', { hosts: ['s0.example'], to: 's1' });
    const next = all({ ...world, revision: 2, routes: [changed, ...world.routes.slice(1)] });
    // `outbound` is shared by all sidecars, so it is put together once; the gateway has its own name for it.
    expect(since(before.encoded, counted().encoded)).toEqual({ 'virtual host': 1, RDS: 2 });
    expect(since(before.ran, counted().ran)).toEqual({
      'host groups': 1,
      views: profiles.length,
      'virtual hosts': 1,
      'route configurations': 2,
    });
    for (const [index, view] of next.views.entries()) {
      const old = first.views[index];
      expect(view.resources.get(typeUrls.cluster)).toBe(old?.resources.get(typeUrls.cluster));
      expect(view.resources.get(typeUrls.listener)).toBe(old?.resources.get(typeUrls.listener));
    }
    const [, a, b] = next.views;
    expect(a?.resources.get(typeUrls.routes)?.get('outbound')).toBe(b?.resources.get(typeUrls.routes)?.get('outbound'));
  });

  it('is one cluster for a change of its connect timeout; its endpoints keep their version', () => {
    const { world, first, all, counted } = start();
    const before = counted();
    const id = serviceId('default', 's4');
    const old = world.services.get(id);
    if (old === undefined) throw new Error('no s4');
    const services = new Map([...world.services, [id, { ...old, connectTimeoutMs: 250 }]]);
    const next = all({ ...world, revision: 2, services });
    const encoded = since(before.encoded, counted().encoded);
    expect(encoded['CDS']).toBe(1);
    expect(encoded['EDS']).toBe(1);
    expect(next.endpoints.get('s4')).toBe(first.endpoints.get('s4'));
  });
});
