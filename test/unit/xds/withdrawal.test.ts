// Endpoints that go with their service, for a gRPC client that keeps what is deleted.
import { expect, it } from 'vitest';
import type { Resource } from '../../../src/resources/resource.ts';
import { resource } from '../../support/static-views.ts';
import { CDS, type Driver, drive, EDS, LDS, RDS } from './driver.ts';

const shop = (route: string, cluster: string): Resource[] => [
  resource(CDS, cluster, { deps: [{ type: EDS, name: cluster }] }),
  resource(EDS, cluster, { content: 'an instance' }),
  resource(LDS, 'in', { content: route, deps: [{ type: RDS, name: route }] }),
  resource(RDS, route, { content: cluster, deps: [{ type: CDS, name: cluster }] }),
];

/** A gRPC client that has everything of the shop. */
function settled(): Driver {
  const driver = drive({ variant: 'sotw', legacyWildcard: false, resources: shop('main', 'a') });
  for (const [type, name] of [
    [LDS, 'in'],
    [RDS, 'main'],
    [CDS, 'a'],
    [EDS, 'a'],
  ] as const) {
    driver.sotw(type, [name]);
    driver.ack(type);
  }
  return driver;
}

it('R45: stay while its listener still names the route configuration that it is about to leave', () => {
  const driver = settled();
  expect(driver.publish(shop('side', 'b'))).toEqual(['LDS in']);
  expect(driver.sent.filter(({ type }) => type === EDS)).toHaveLength(1);
});

it('R13: stay while its cluster does not take the new content that would use others', () => {
  const driver = settled();
  const other = resource(CDS, 'a', { content: 'bad', deps: [{ type: EDS, name: 'other' }] });
  driver.publish([
    ...shop('main', 'a').filter(({ type }) => type === LDS || type === RDS),
    other,
    resource(EDS, 'other'),
  ]);
  driver.nack(CDS);
  expect(driver.sent.filter(({ type }) => type === EDS)).toHaveLength(1);
});
