// Two replicas over one store: who is behind, whose proxies have not confirmed, and what becomes of one that ended.
import { describe, expect, it } from 'vitest';
import { createRotationFleet } from '../../../src/control/rotation-fleet.ts';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import type { ClientConfig } from '../../../src/xds/contract.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createMemoryStore } from '../ca/memory-store.ts';

const silentMs = 1_000;

function world() {
  const clock = createFakeClock();
  const store = createMemoryStore();
  function replica(held: Record<string, string | undefined> = {}) {
    const asked: string[] = [];
    const state = { version: 'v2', held, former: [] as readonly string[] };
    const fleet = createRotationFleet(
      {
        ...{ clock, store },
        nodes: () => Object.keys(state.held),
        rootsVersion: () => state.version,
        former: () => new Set(state.former),
        async streamsOf(node) {
          asked.push(node);
          const version = state.held[node];
          const told = { type: typeUrls.secret, name: 'mesh:roots', resource: undefined };
          const resources = version === undefined ? [] : [{ ...told, status: 'synced', held: version }];
          return [{ resources }] as unknown as readonly ClientConfig[];
        },
      },
      { silentMs },
    );
    return { fleet, state, asked };
  }
  return { clock, store, replica };
}

describe('the replicas of a rotation', () => {
  it('are behind from when they join until they report this epoch', async () => {
    const { replica } = world();
    const [one, two] = [replica(), replica()];
    await one.fleet.join();
    await one.fleet.report(3);
    expect(await one.fleet.behind(3)).toBe(0);
    await two.fleet.join();
    expect(await one.fleet.behind(3)).toBe(1);
    await two.fleet.report(2);
    expect(await one.fleet.behind(3)).toBe(1);
    await two.fleet.report(3);
    expect([await one.fleet.behind(3), await two.fleet.behind(3)]).toEqual([0, 0]);
  });

  it('count proxies whose certificate is of the former root', async () => {
    const { replica } = world();
    const one = replica({ 'web-1': 'v2', 'web-2': 'v2' });
    one.state.former = ['web-2'];
    await one.fleet.report(3);
    expect(await one.fleet.unconfirmed([])).toBe(1);
    one.state.former = [];
    expect(await one.fleet.unconfirmed([])).toBe(0);
  });

  it('count proxies that have not acknowledged these roots, of all replicas, and ask none again that has', async () => {
    const { replica } = world();
    const one = replica({ 'web-1': 'v2', 'web-2': 'v1', 'no-secrets': undefined });
    const two = replica({ 'api-1': 'v1' });
    await two.fleet.report(3);
    await one.fleet.report(3);
    expect(await one.fleet.unconfirmed([])).toBe(2);
    one.asked.length = 0;
    one.state.held = { ...one.state.held, 'web-2': 'v2' };
    expect(await one.fleet.unconfirmed([])).toBe(1);
    expect(one.asked).toEqual(['web-2']);
    two.state.held = { 'api-1': 'v2' };
    await two.fleet.report(3);
    expect(await one.fleet.unconfirmed([])).toBe(0);
    // Other roots are to be acknowledged anew.
    one.state.version = 'v3';
    expect(await one.fleet.unconfirmed([])).toBe(2);
  });

  it('that ended hold nobody up, but count as a proxy until theirs had time to come back', async () => {
    const { clock, store, replica } = world();
    const [one, two] = [replica(), replica()];
    await one.fleet.join();
    await two.fleet.join();
    await one.fleet.report(3);
    expect(await one.fleet.behind(3)).toBe(1);
    await clock.advanceAsync(silentMs);
    expect([await one.fleet.behind(3), await one.fleet.unconfirmed([])]).toEqual([0, 1]);
    await clock.advanceAsync(3 * silentMs);
    expect([await one.fleet.behind(3), await one.fleet.unconfirmed([])]).toEqual([0, 0]);
    expect([...store.values.keys()]).toHaveLength(1);
  });

  it('that say the same again are there', async () => {
    const { clock, replica } = world();
    const [one, two] = [replica(), replica()];
    for (let turn = 0; turn < 4; turn++) {
      await two.fleet.report(2);
      expect(await one.fleet.behind(3)).toBe(1);
      await clock.advanceAsync(silentMs - 1);
    }
  });

  it('whose word cannot be read are behind', async () => {
    const { store, replica } = world();
    const { fleet } = replica();
    for (const text of ['', '[]', '{"epoch":"3","unconfirmed":0}', '{"epoch":3,"unconfirmed":-1}'])
      store.values.set(`ca/replicas/${store.values.size}`, Buffer.from(text));
    expect(await fleet.behind(3)).toBe(4);
  });
});
