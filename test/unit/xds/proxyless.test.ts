// gRPC libraries as clients: by name only, clusters after the routes that bring their names.
import { describe, expect, it } from 'vitest';
import type { Resource, View } from '../../../src/resources/resource.ts';
import { type TypeUrl, typeUrls } from '../../../src/resources/type-urls.ts';
import { resource, viewOf } from '../../support/static-views.ts';
import { drive } from './driver.ts';

const { cluster, endpoints, listener, routes } = typeUrls;

function mesh(...services: readonly string[]): Resource[] {
  return services.flatMap((name) => [
    resource(listener, name, { deps: [{ type: routes, name }] }),
    resource(routes, name, { deps: [{ type: cluster, name }] }),
    resource(cluster, name, { deps: [{ type: endpoints, name }] }),
    resource(endpoints, name),
  ]);
}

const grpc = { variant: 'sotw', legacyWildcard: false } as const;

describe('a gRPC client on one stream', () => {
  it('gets each type as it asks for it, down to the endpoints', () => {
    const client = drive({ ...grpc, resources: mesh('cart', 'web') });
    expect(client.sotw(listener, ['cart'])).toEqual(['LDS cart']);
    expect(client.ack(listener)).toEqual([]);
    expect(client.sotw(routes, ['cart'])).toEqual(['RDS cart']);
    expect(client.sotw(cluster, ['cart'])).toEqual(['CDS cart']);
    expect(client.sotw(endpoints, ['cart'])).toEqual(['EDS cart']);
  });

  it('hears at once of a name that does not exist, and later of the service that takes it', () => {
    const client = drive({ ...grpc, resources: mesh('web') });
    expect(client.sotw(listener, ['cart'])).toEqual(['LDS']);
    client.ack(listener);
    expect(client.publish(mesh('web', 'cart'))).toEqual(['LDS cart']);
  });

  it('hears of a service that went by its absence beside the names that stay', () => {
    const client = drive({ ...grpc, resources: mesh('cart', 'web') });
    expect(client.sotw(listener, ['cart', 'web'])).toEqual(['LDS cart web']);
    client.ack(listener);
    expect(client.publish(mesh('web'))).toEqual(['LDS web -cart']);
  });

  it('loses the endpoints of a service that went, once, as it may keep the cluster', () => {
    const client = drive({ ...grpc, resources: mesh('cart') });
    for (const type of [listener, routes, cluster, endpoints]) {
      client.sotw(type, ['cart']);
      client.ack(type);
    }
    expect(client.publish([])).toContain('EDS cart');
    expect(client.last(endpoints).resources.get('cart')?.bytes).toEqual(Buffer.from('\n\x04cart'));
    client.ack(endpoints);
    const gone = { kind: 'changed', view: viewOf([]), changed: [{ type: endpoints, name: 'cart' }] } as const;
    client.event(gone);
    expect(client.event({ kind: 'drain' })).toEqual([]);
    client.ack(listener);
    expect(client.publish(mesh('cart'))).toContain('EDS cart');
  });

  it('keeps the endpoints of a subset until no route of it leads there', () => {
    const route = (to: string) => resource(routes, 'cart', { content: to, deps: [{ type: cluster, name: to }] });
    const full = (name: string) => [
      resource(cluster, name, { deps: [{ type: endpoints, name }] }),
      resource(endpoints, name),
    ];
    const client = drive({ ...grpc, resources: [route('v1'), ...full('v1'), ...full('all')] });
    client.sotw(routes, ['cart']);
    client.ack(routes);
    client.sotw(cluster, ['v1']);
    client.ack(cluster);
    client.sotw(endpoints, ['v1']);
    client.ack(endpoints);
    // Endpoints are published first: the route still leads to the subset.
    const [, v1 = resource(cluster, 'v1')] = [route('v1'), ...full('v1')];
    expect(client.publish([route('v1'), v1, ...full('all')])).toEqual([]);
    expect(client.publish([route('all'), ...full('all')])).toEqual(['RDS cart']);
    // The client may still route there for a moment; it lets go of them by itself.
    expect(client.ack(routes)).toEqual(['CDS -v1']);
    expect(client.sotw(endpoints, [])).toEqual([]);
  });

  it('R25: gets again what it dropped while idle', () => {
    const client = drive({ ...grpc, resources: mesh('cart') });
    client.sotw(listener, ['cart']);
    client.ack(listener);
    expect(client.sotw(listener, [])).toEqual([]);
    expect(client.sotw(listener, ['cart'])).toEqual(['LDS cart']);
  });

  it('R40: comes back with listeners alone and is not kept waiting for clusters it knows nothing of', () => {
    const client = drive({ ...grpc, resources: mesh('cart') });
    expect(client.sotw(listener, ['cart'], { versionInfo: 'of an earlier stream' })).toEqual(['LDS cart']);
    client.ack(listener);
    expect(client.sotw(routes, ['cart'], { versionInfo: 'of an earlier stream' })).toEqual(['RDS cart']);
    expect([...client.timers]).toEqual([]);
  });

  it('compares every name it asked for when any may have changed, and sends what did', () => {
    const client = drive({ ...grpc, resources: mesh('cart', 'web') });
    client.sotw(listener, ['cart', 'web']);
    client.ack(listener);
    const changed = (view: View): string[] => {
      client.event({ kind: 'changed', view, changed: [{ type: listener, name: '*' }] });
      return client.event({ kind: 'drain' });
    };
    expect(changed(viewOf(mesh('cart', 'web')))).toEqual([]);
    const other = (type: TypeUrl, name: string) => resource(type, name, { content: 'other' });
    expect(changed(viewOf([...mesh('cart'), other(listener, 'web')]))).toEqual(['LDS cart web']);
  });
});
