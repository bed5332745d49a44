// Where shared bytes lie, and what a worker makes of them.
import { describe, expect, it } from 'vitest';
import { typeUrls } from '../../../../src/resources/type-urls.ts';
import { createByteSegments } from '../../../../src/xds/workers/byte-segments.ts';
import { restoreClient } from '../../../../src/xds/workers/client-copy.ts';
import { fromShared, toShared } from '../../../../src/xds/workers/thread-messages.ts';
import { resource } from '../../../support/static-views.ts';
import { testClient } from '../../../support/worlds.ts';

const sized = (name: string, size: number) => resource(typeUrls.cluster, name, { bytes: Buffer.alloc(size, name) });

describe('shared bytes', () => {
  it('are copied once, small ones together', () => {
    const shared = createByteSegments();
    const [a, b, large] = [sized('a', 10), sized('b', 20), sized('c', 100_000)];
    shared.place([a, b, large, a]);
    expect(shared.placeOf(b).segment).toBe(shared.placeOf(a).segment);
    expect(shared.placeOf(a).segment.byteLength).toBe(30);
    expect(shared.placeOf(large)).toMatchObject({ offset: 0, length: 100_000, segment: { byteLength: 100_000 } });
    const before = shared.placeOf(a);
    shared.place([a]);
    expect(shared.placeOf(a)).toBe(before);
  });

  it('of one batch lie in segments of bounded size, so that one live resource keeps little', () => {
    const shared = createByteSegments();
    const all = Array.from({ length: 100 }, (_, index) => sized(`r${index}`, 10_000));
    shared.place(all);
    for (const one of all) expect(shared.placeOf(one).segment.byteLength).toBeLessThanOrEqual(64 * 1024);
  });

  it('make the same resource in another thread, without its provenance', () => {
    const shared = createByteSegments();
    const deps = [
      { type: typeUrls.endpoints, name: 'a' },
      { type: typeUrls.secret, name: 's' },
    ];
    const one = resource(typeUrls.cluster, 'a', { content: 'x', deps });
    shared.place([one]);
    const made = fromShared(structuredClone(toShared(one, 1, shared.placeOf(one))));
    expect({ ...made, bytes: Buffer.from(made.bytes) }).toEqual(one);
  });
});

describe('a resource in another thread', () => {
  it('keeps what few have: other names, and that a wildcard does not cover it', () => {
    const shared = createByteSegments();
    for (const rare of [{ byNameOnly: true }, { aliases: ['r/a.example', 'r/b.example'] }, {}]) {
      const one = resource(typeUrls.virtualHost, 'r/a', { content: 'x', ...rare });
      shared.place([one]);
      const made = fromShared(structuredClone(toShared(one, 1, shared.placeOf(one))));
      expect({ ...made, bytes: Buffer.from(made.bytes) }).toEqual(one);
    }
  });
});

describe('a copied client', () => {
  it('has metadata without a prototype, at every depth', () => {
    const metadata = { deep: [{ x: { y: 1 } }], constructor: 'claimed' };
    const copy = restoreClient(structuredClone(testClient('n', { metadata })));
    expect(copy.metadata).toEqual(Object.assign(Object.create(null), structuredClone(metadata)));
    expect(Object.getPrototypeOf(copy.metadata)).toBeNull();
    const [inner] = copy.metadata['deep'] as [{ x: object }];
    expect(Object.getPrototypeOf(inner.x)).toBeNull();
    expect(copy.metadata['toString']).toBeUndefined();
  });
});
