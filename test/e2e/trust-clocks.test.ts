// Clocks that differ by ten minutes: the control plane's is ahead of, or behind, those of its Envoys and of the command line.
import { expect, it } from 'vitest';
import { startLoad } from '../support/load.ts';
import { describeWith } from '../support/real-parts.ts';
import { startShortLivedMesh } from './short-lived-mesh.ts';

const tenMinutesMs = 600_000;

describeWith(['envoy'], 'a clock that is ten minutes', () => {
  it.each([
    ['ahead', tenMinutesMs],
    ['behind', -tenMinutesMs],
  ] as const)(
    '%s: nodes join, and callees are believed from the first moment',
    { timeout: 60_000 },
    async (_, aheadMs) => {
      // Lives are the product's own.
      await using mesh = await startShortLivedMesh({}, () => ({}), aheadMs);
      const load = startLoad({ port: mesh.outbound, host: 'api', perSecond: 100, maxSeconds: 20 });
      for (let turn = 0; turn < 10; turn++) {
        expect(await mesh.handshake()).toHaveProperty('serial');
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      const { sent, failures } = await load.stop();
      expect(failures).toEqual({});
      expect(sent).toBeGreaterThan(50);
      expect(await mesh.failedHandshakes()).toEqual({});
    },
  );
});
