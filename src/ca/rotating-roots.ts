// What a rotation does with the roots of one replica: it keeps them, and sees that this replica signs with the first.
// Invariant: the provider has the roots before the authority is told of them.
import type { Authority } from './contract.ts';
import type { KeptRoots } from './kept-root.ts';
import type { RotatingRoots } from './rotation-driver.ts';

export function createRotatingRoots(kept: KeptRoots, authority: Pick<Authority, 'refresh'>): RotatingRoots {
  return {
    prepare: kept.prepare,
    async use(bundle) {
      const now = (await kept.reload()).roots.map(({ keyId }) => keyId);
      // Asked every few seconds: keys are not unsealed for nothing.
      if (now.join() !== bundle.join()) await kept.order(bundle);
      await authority.refresh();
    },
    retire: kept.retire,
  };
}
