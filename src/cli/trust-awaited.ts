// Which authority a control plane waits for before its first intermediate, since when and why: for probes, `status` and `check`.
// It must not know who the authority is, and never changes what it answers. Invariant: what is said has no address and no
// words of the failure, which the log has: probes need no credential.
import type { RootProvider } from '../ca/contract.ts';
import type { Clock } from '../util/clock.ts';
import { AppError } from '../util/errors.ts';

export interface Awaited {
  /** Empty before the authority was asked, and once it gave an intermediate. */
  words(): readonly string[];
  watch(provider: RootProvider): RootProvider;
}

/** `kind`: as `trust.root` has it. */
export function createAwaited(clock: Clock, kind: string): Awaited {
  let given = false;
  let sinceMs: number | undefined;
  let code = '';
  async function asked<T>(work: () => Promise<T>): Promise<T> {
    sinceMs ??= clock.wall();
    try {
      return await work();
    } catch (error) {
      code = error instanceof AppError ? `, ${error.code}` : '';
      throw error;
    }
  }
  return {
    words() {
      if (given || sinceMs === undefined) return [];
      return [`the authority (${kind}, since ${new Date(sinceMs).toISOString().slice(0, 19)}Z${code})`];
    },
    watch: (provider) => ({
      ...provider,
      open: () => asked(() => provider.open()),
      async signIntermediate(order) {
        const signed = await asked(() => provider.signIntermediate(order));
        given = true;
        return signed;
      },
    }),
  };
}
