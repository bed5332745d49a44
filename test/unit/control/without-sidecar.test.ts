// `status` says who is withheld in mutual TLS, and who would be.
import { expect, it } from 'vitest';
import { createLedger } from '../../../src/control/ledger.ts';
import { statusReport } from '../../../src/control/status.ts';
import type { World } from '../../../src/model/world.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { testInstance, testWorld } from '../../support/worlds.ts';

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
