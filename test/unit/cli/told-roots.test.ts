// Two replicas over one store that are told of roots by somebody else: neither goes on before the proxies of both have them.
import { expect, it } from 'vitest';
import type { Roots } from '../../../src/ca/contract.ts';
import { createConfirmed, takeOverLimits } from '../../../src/cli/told-roots.ts';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import type { ClientConfig } from '../../../src/xds/contract.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createMemoryStore } from '../ca/memory-store.ts';

const roots = (...names: readonly string[]): Roots => ({
  generation: 1,
  roots: names.map((name) => ({ certificate: Buffer.from(name), keyId: name, notAfterMs: 1 })),
});

function world() {
  const clock = createFakeClock();
  const store = createMemoryStore();
  function replica(held: string) {
    const state = { version: 'v2', held };
    const confirmed = createConfirmed(clock, {
      ...{ store, leafMs: 86_400_000, intermediateMs: 604_800_000 },
      nodes: () => ['web-1'],
      rootsVersion: () => state.version,
      streamsOf: async () =>
        [
          { resources: [{ type: typeUrls.secret, name: 'mesh:roots', status: 'synced', held: state.held }] },
        ] as unknown as readonly ClientConfig[],
    });
    return { confirmed, state };
  }
  return { clock, one: replica('v2'), two: replica('v1') };
}

it('roots are confirmed when the proxies of every replica have them, in whatever order they stand', async () => {
  const { one, two } = world();
  expect(await two.confirmed(roots('old', 'new'))).toBe(false);
  expect(await one.confirmed(roots('old', 'new'))).toBe(false);
  two.state.held = 'v2';
  expect(await two.confirmed(roots('new', 'old'))).toBe(true);
  expect(await one.confirmed(roots('old', 'new'))).toBe(true);
});

it('a replica that has not seen the new root yet holds the others up, and one that ended does so for a while', async () => {
  const { clock, one, two } = world();
  two.state.held = 'v2';
  await two.confirmed(roots('old'));
  expect(await one.confirmed(roots('old', 'new'))).toBe(false);
  // Silent for four looks: ended; its proxies have three times as long to connect elsewhere.
  for (let minute = 0; minute < 16; minute++) {
    expect(await one.confirmed(roots('old', 'new'))).toBe(false);
    clock.advance(60_000);
  }
  await one.confirmed(roots('old', 'new'));
  expect(await one.confirmed(roots('old', 'new'))).toBe(true);
});

it('are told for two minutes at least, and an hour at most; less where leaves live for seconds', () => {
  expect(takeOverLimits(86_400_000)).toEqual({ holdMs: 120_000, patienceMs: 3_600_000 });
  expect(takeOverLimits(12_000)).toEqual({ holdMs: 1_200, patienceMs: 6_000 });
});
