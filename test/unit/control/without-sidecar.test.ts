// `status` says who is withheld in mutual TLS, and who would be.
import { expect, it } from 'vitest';
import { createLedger } from '../../../src/control/ledger.ts';
import { statusReport } from '../../../src/control/status.ts';
import { serviceId } from '../../../src/model/names.ts';
import type { World } from '../../../src/model/world.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { testInstance, testService, testWorld } from '../../support/worlds.ts';

function report(mesh: Partial<World['mesh']>) {
  const clock = createFakeClock();
  const plain = Array.from({ length: 6 }, (_, index) => testInstance(`api-${index}`));
  const world = testWorld({ api: plain });
  return statusReport({
    ...{ clock, world: { ...world, mesh: { ...world.mesh, ...mesh } }, publishedRevision: 1, waitingFor: [] },
    ...{ ledger: createLedger(clock), viewOf: () => undefined, rejections: [], problems: [], holds: [] },
  }).withoutSidecar;
}

it('counts instances without a sidecar and names some, only where certificates are issued', () => {
  const some = [0, 1, 2, 3, 4].map((index) => `api/api-${index}`);
  const strict = report({ mtls: 'strict', certificates: true });
  expect(strict).toEqual({ mtls: 'strict', withheld: 6, plaintext: 0, some });
  const permissive = report({ mtls: 'permissive', certificates: true });
  expect(permissive).toEqual({ mtls: 'permissive', withheld: 0, plaintext: 6, some });
  expect(report({ mtls: 'off' })).toBeUndefined();
});

it('tells of each service how many instances have a sidecar, and its own mode, only where certificates are issued', () => {
  const clock = createFakeClock();
  const proxied = testInstance('api-0', {
    proxy: { address: '127.0.0.1', port: 21_000, localAddress: '127.0.0.1', localPort: 8080 },
  });
  const world = testWorld({ api: [proxied, testInstance('api-1')], web: [] });
  const services = new Map(world.services);
  services.set(serviceId('default', 'web'), testService('web', { tls: 'none' }));
  const of = (certificates: boolean) =>
    statusReport({
      ...{ clock, world: { ...world, services, mesh: { ...world.mesh, certificates } }, publishedRevision: 1 },
      ...{ waitingFor: [], ledger: createLedger(clock), viewOf: () => undefined },
      ...{ rejections: [], problems: [], holds: [] },
    }).services;
  const counts = { warning: 0, critical: 0 };
  expect(of(true)).toEqual([
    { id: 'api', healthy: 2, ...counts, sidecars: 1 },
    { id: 'web', healthy: 0, ...counts, sidecars: 0, tls: 'none' },
  ]);
  expect(of(false)).toEqual([
    { id: 'api', healthy: 2, ...counts },
    { id: 'web', healthy: 0, ...counts },
  ]);
});
