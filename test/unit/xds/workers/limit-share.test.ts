// Limits of a process, over its workers.
import { expect, it } from 'vitest';
import { share } from '../../../../src/xds/workers/limit-share.ts';

const where = { address: '127.0.0.1', port: 0 };

it('gives each worker its part, and together the whole', () => {
  const part = share({ ...where, maxConnections: 101, admission: { perSecond: 3, maxPerAddress: 0 } }, 2);
  expect(part).toMatchObject({ maxConnections: 51, admission: { perSecond: 2, burst: 500, maxPerAddress: 0 } });
  expect(share(where, 4)).toMatchObject({ maxConnections: 5_000, admission: { perSecond: 250, maxWaiting: 2_500 } });
});

it('leaves streams of a node to be counted where all of them are known, and other options alone', () => {
  expect(share({ ...where, maxStreamsPerNode: 7, drainMs: 5 }, 2)).toMatchObject({ maxStreamsPerNode: 0, drainMs: 5 });
});
