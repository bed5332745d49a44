// A secret that is not there yet: what names it waits, and is not told that there is none.
import { expect, it } from 'vitest';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import { resource } from '../../support/static-views.ts';
import { CDS, drive } from './driver.ts';

const SDS = typeUrls.secret;
const cluster = resource(CDS, 'a', { deps: [{ type: SDS, name: 'mesh:identity' }] });
const secret = resource(SDS, 'mesh:identity', { content: 'a key' });

it.each(['sotw', 'delta'] as const)('%s: a cluster that was sent keeps waiting for its secret', (variant) => {
  const driver = drive({ variant, resources: [cluster] });
  const ask = (type: typeof CDS | typeof SDS, ...names: string[]): string[] =>
    variant === 'sotw' ? driver.sotw(type, names) : driver.delta(type, { subscribe: names });
  ask(CDS);
  expect(ask(SDS, 'mesh:identity')).toEqual([]);
  // Nor when the cluster is acknowledged and Envoy asks again.
  driver.ack(CDS);
  expect(ask(SDS, 'mesh:identity')).toEqual([]);
  expect(driver.publish([cluster, secret])).toEqual(['SDS mesh:identity']);
});

it('delta: a secret that nothing names is told not to be there', () => {
  const driver = drive({ variant: 'delta', resources: [cluster] });
  expect(driver.delta(SDS, { subscribe: ['mesh:identity'] })).toHaveLength(1);
  expect(driver.last(SDS).removed).toEqual(['mesh:identity']);
});
