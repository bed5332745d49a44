// Two services behind one sidecar: said where a name is asked for, and nowhere else.
import { expect, it } from 'vitest';
import type { Instance } from '../../../src/model/instance.ts';
import { nextWorld } from '../../../src/model/next-world.ts';
import { createSidecarConflicts } from '../../../src/model/sidecar-conflicts.ts';
import type { World } from '../../../src/model/world.ts';
import { objectSnapshot, registrySnapshot } from '../../support/objects.ts';
import { testInstance } from '../../support/worlds.ts';

const proxy = (port: number) => ({ address: '10.0.0.1', port, localAddress: '127.0.0.1', localPort: 8080 });

function found(text: string, certificates = true): readonly string[] {
  const registry = registrySnapshot({
    api: [testInstance('api-1', { proxy: proxy(21000) }), testInstance('api-2', { proxy: proxy(21001) })],
    admin: [testInstance('admin-1', { proxy: proxy(21000) })],
    web: [testInstance('web-1', { proxy: proxy(21002) }), testInstance('web-2')],
    cart: [testInstance('cart-1'), testInstance('cart-2')],
  });
  const world = nextWorld(undefined, {
    registries: [registry],
    objects: [objectSnapshot({ 'a.yaml': text })],
    certificates,
  });
  return createSidecarConflicts()(world).map(({ code, message, at }) => `${code} ${at.object}: ${message}`);
}

const service = (tls: string): string =>
  `{ apiVersion: chancery/v1, kind: Service, metadata: { name: admin }, spec: { tls: ${tls} } }`;

it('is said of the services that share it', () => {
  expect(found('')).toEqual([
    expect.stringMatching(
      /^CH1269 Service default\/(api|admin): .*10\.0\.0\.1:21000.*: callers of one of them get 503$/,
    ),
  ]);
});

it('is no mistake where one of them is called in plaintext, or nobody shows a name', () => {
  expect(found(service('none'))).toEqual([]);
  expect(found('', false)).toEqual([]);
});

it('is found and gone as instances change, though it remembers those that did not', () => {
  const conflicts = createSidecarConflicts();
  const shared = testInstance('admin-1', { proxy: proxy(21000) });
  const apart = testInstance('admin-1', { proxy: proxy(21009) });
  const api = testInstance('api-1', { proxy: proxy(21000) });
  let world: World | undefined;
  const count = (admin: Instance): number => {
    world = nextWorld(world, {
      registries: [registrySnapshot({ api: [api], admin: [admin] })],
      objects: [objectSnapshot({})],
      certificates: true,
    });
    return conflicts(world).length;
  };
  expect([shared, shared, apart, shared].map(count)).toEqual([1, 1, 0, 1]);
});
