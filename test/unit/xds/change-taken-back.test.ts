// A change that is taken back and made again while its message is on its way.
import { expect, it } from 'vitest';
import type { Resource } from '../../../src/resources/resource.ts';
import { resource } from '../../support/static-views.ts';
import { CDS, drive, LDS, RDS } from './driver.ts';

const shop = (cluster: string): Resource[] => [
  resource(CDS, cluster),
  resource(LDS, 'in', { deps: [{ type: RDS, name: 'main' }] }),
  resource(RDS, 'main', { content: cluster, deps: [{ type: CDS, name: cluster }] }),
];

it.each(['sotw', 'delta'] as const)('R45: %s: removes the old cluster as soon as the route has moved', (variant) => {
  const driver = drive({ variant, resources: shop('a') });
  for (const [type, names] of [
    [CDS, []],
    [LDS, []],
    [RDS, ['main']],
  ] as const) {
    if (variant === 'sotw') driver.sotw(type, names);
    else driver.delta(type, { subscribe: names });
    driver.ack(type);
  }
  driver.publish(shop('b'));
  expect(driver.ack(CDS)).toEqual(['RDS main']);
  expect(driver.publish(shop('a'))).toEqual([]);
  expect(driver.publish(shop('b'))).toEqual([]);
  // The route is as it is to be: nothing of it is sent, and what waited for it goes.
  expect(driver.ack(RDS)).toEqual([variant === 'sotw' ? 'CDS b -a' : 'CDS -a']);
  driver.ack(CDS);
  expect(driver.timers.size).toBe(0);
});
