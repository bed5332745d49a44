// A cluster that a client warmed with no endpoints, because there were none when it asked, and that comes back.
import { expect, it } from 'vitest';
import type { Resource } from '../../../src/resources/resource.ts';
import { resource } from '../../support/static-views.ts';
import { CDS, drive, EDS, LDS, RDS } from './driver.ts';

const shop = (...clusters: readonly string[]): Resource[] => [
  ...clusters.flatMap((name) => [
    resource(CDS, name, { deps: [{ type: EDS, name }] }),
    resource(EDS, name, { content: 'an instance' }),
  ]),
  resource(LDS, 'in', { deps: [{ type: RDS, name: 'main' }] }),
  resource(RDS, 'main', { content: clusters.join(), deps: clusters.map((name) => ({ type: CDS, name })) }),
];

it.each(['sotw', 'delta'] as const)('R17, R44: %s: no route leads to it before its endpoints are sent', (variant) => {
  const driver = drive({ variant, resources: shop('a') });
  const ask = (type: typeof CDS | typeof EDS | typeof LDS | typeof RDS, all: string[], more: string[]): string[] =>
    variant === 'sotw' ? driver.sotw(type, all) : driver.delta(type, { subscribe: more });
  for (const [type, names] of [
    [CDS, []],
    [EDS, ['a']],
    [LDS, []],
    [RDS, ['main']],
  ] as const) {
    ask(type, [...names], [...names]);
    driver.ack(type);
  }
  driver.publish(shop('b'));
  // Back before the client has asked for the endpoints of b: it is told that there are none, and warms b empty.
  driver.publish(shop('a'));
  expect(ask(EDS, ['a', 'b'], ['b'])).toHaveLength(1);
  driver.publish(shop('b'));
  // It has b, but the word that b is empty is the last it heard of it.
  expect(driver.ack(CDS).filter((line) => line.startsWith('RDS'))).toEqual([]);
  const lines = driver.ack(EDS);
  expect(lines[0]).toBe('EDS b');
  expect(lines).toContain('RDS main');
});
