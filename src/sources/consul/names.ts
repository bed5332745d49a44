// The set of names that are followed, one blocking query each: started when a name appears, ended when it goes.
// It must not know what a query asks. Invariant: when `run` returns, no query is left running.
import type { BlockingQuery } from './blocking-query.ts';

export interface Names {
  /** Follows exactly these from now on. */
  set(names: ReadonlySet<string>): { readonly added: readonly string[]; readonly removed: readonly string[] };
  all(): readonly BlockingQuery[];
  /** Runs `main` with everything that `set` starts until the signal aborts; rejects with the first bug of any of them. */
  run(main: (signal: AbortSignal) => Promise<void>): Promise<void>;
}

export function createNames(signal: AbortSignal, create: (name: string) => BlockingQuery): Names {
  const failed = new AbortController();
  const shared = AbortSignal.any([signal, failed.signal]);
  const running = new Map<string, { readonly query: BlockingQuery; readonly abort: AbortController }>();
  const pending = new Set<Promise<void>>();
  let all: readonly BlockingQuery[] = [];
  let bug: { readonly error: unknown } | undefined;

  function guarded(work: Promise<void>): void {
    const done = work
      .catch((error: unknown) => {
        bug ??= { error };
        failed.abort();
      })
      .finally(() => pending.delete(done));
    pending.add(done);
  }

  return {
    set(names) {
      const added = [...names].filter((name) => !running.has(name));
      const removed = [...running.keys()].filter((name) => !names.has(name));
      for (const name of removed) {
        running.get(name)?.abort.abort();
        running.delete(name);
      }
      for (const name of added) {
        const abort = new AbortController();
        const query = create(name);
        running.set(name, { query, abort });
        guarded(query.run(AbortSignal.any([shared, abort.signal])));
      }
      all = [...running.values()].map(({ query }) => query);
      return { added, removed };
    },
    all: () => all,
    async run(main) {
      guarded(main(shared));
      while (pending.size > 0) await Promise.all(pending);
      if (bug !== undefined) throw bug.error;
    },
  };
}
