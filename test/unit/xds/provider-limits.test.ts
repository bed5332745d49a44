// Limits in front of a provider of views count every stream once, in and out.
import { describe, expect, it } from 'vitest';
import type { Principal } from '../../../src/model/principal.ts';
import type { ClientInfo, Opened, ViewProvider } from '../../../src/xds/contract.ts';
import { limitOpening, limitOpeningRate, limitPerNode } from '../../../src/xds/provider-limits.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { principal } from '../../support/known-callers.ts';
import { viewOf } from '../../support/static-views.ts';

const client = (nodeId: string): ClientInfo => ({
  ...{ streamId: 1, nodeId, nodeCluster: '', metadata: {}, clientFeatures: [], peer: '' },
  ...{ locality: { region: '', zone: '', subZone: '' }, userAgentName: 'envoy', userAgentVersion: '' },
});
const subscription = (): Opened => ({ view: () => viewOf([]), close: () => {} });
const providing = (open: () => Opened | Promise<Opened>): ViewProvider => ({ open, onEndpoints: () => () => {} });
const close = (opened: Opened | Promise<Opened>): void => {
  if (opened instanceof Promise || 'refused' in opened) throw new Error('not open');
  opened.close();
};

describe('streams of one node', () => {
  it('are refused beyond the limit, until one closes', () => {
    const provider = limitPerNode(providing(subscription), 2);
    const open = (id: string) => provider.open(client(id), () => {});
    const first = open('a');
    void open('a');
    void open('b');
    expect(open('a')).toMatchObject({ refused: 'resource-exhausted', message: expect.stringContaining('"a" has 2') });
    close(first);
    close(first);
    expect(open('a')).not.toHaveProperty('refused');
    expect(open('a')).toHaveProperty('refused');
  });

  it('are those of its credential, where one is asked for, whatever node it claims', () => {
    const provider = limitPerNode(providing(subscription), 2);
    const open = (nodeId: string, who: Principal) => provider.open({ ...client(nodeId), principal: who }, () => {});
    const refused = { refused: 'resource-exhausted', message: expect.stringContaining('"spiffe://test/svc/cart') };
    close(open('a', principal('cart')));
    for (const nodeId of ['a', 'b']) void open(nodeId, principal('cart'));
    expect(open('c', principal('cart'))).toMatchObject(refused);
    expect(open('a', principal('shop'))).not.toHaveProperty('refused');
    // Another node of the service has a credential of its own.
    const other = principal('cart', { credential: { kind: 'token', id: 'jti-other' } });
    for (let at = 0; at < 2; at++) expect(open('a', other)).not.toHaveProperty('refused');
    expect(open('a', other)).toMatchObject(refused);
  });

  it('do not count what was refused or failed', async () => {
    const answers: (() => Opened | Promise<Opened>)[] = [
      () => ({ refused: 'unavailable', message: '' }),
      () => Promise.resolve({ refused: 'unavailable', message: '' }),
      () => Promise.reject(new Error('no')),
      () => {
        throw new Error('no');
      },
      subscription,
      () => Promise.resolve(subscription()),
    ];
    const provider = limitPerNode(
      providing(() => answers.shift()?.() ?? subscription()),
      2,
    );
    const open = async () => await provider.open(client('a'), () => {});
    expect(await open()).toHaveProperty('refused', 'unavailable');
    expect(await open()).toHaveProperty('refused', 'unavailable');
    await expect(open()).rejects.toThrow();
    await expect(open()).rejects.toThrow();
    expect(await open()).not.toHaveProperty('refused');
    expect(await open()).not.toHaveProperty('refused');
    expect(await open()).toHaveProperty('refused', 'resource-exhausted');
  });
});

describe('views that come later', () => {
  it('are opened so many at a time, in order', async () => {
    const started: PromiseWithResolvers<Opened>[] = [];
    const provider = limitOpening(
      providing(() => {
        const later = Promise.withResolvers<Opened>();
        started.push(later);
        return later.promise;
      }),
      2,
    );
    const done: number[] = [];
    const all = [0, 1, 2, 3].map(async (index) => {
      await Promise.resolve(provider.open(client('a'), () => {})).catch(() => {});
      done.push(index);
    });
    expect(started).toHaveLength(2);
    started[0]?.reject(new Error('no'));
    await all[0];
    expect(started).toHaveLength(3);
    started[1]?.resolve(subscription());
    await all[1];
    expect(started).toHaveLength(4);
    for (const later of started.slice(2)) later.resolve(subscription());
    await Promise.all(all);
    expect(done).toEqual([0, 1, 2, 3]);
  });

  it('cost nothing where they come at once', () => {
    const provider = limitOpening(providing(subscription), 1);
    for (let count = 0; count < 3; count++) expect(provider.open(client('a'), () => {})).not.toBeInstanceOf(Promise);
  });
});

it('T9: one identity that opens streams in a loop is refused, and nobody else', () => {
  const clock = createFakeClock();
  const rate = { burst: 3, perSecond: 1 };
  const provider = limitOpeningRate(clock, providing(subscription), rate);
  const open = (name: string | undefined) => {
    const opened = provider.open(
      { ...client('a'), ...(name === undefined ? {} : { principal: principal(name) }) },
      () => {},
    );
    if (opened instanceof Promise) throw new Error('not at once');
    return 'refused' in opened ? opened.refused : 'open';
  };
  expect([1, 2, 3, 4].map(() => open('a'))).toEqual(['open', 'open', 'open', 'resource-exhausted']);
  expect(open('b')).toBe('open');
  // Anybody could claim to be a node, and so keep it out.
  for (let n = 0; n < 10; n++) expect(open(undefined)).toBe('open');
  clock.advance(1_000);
  expect([open('a'), open('a')]).toEqual(['open', 'resource-exhausted']);
});
