// Running several long tasks as one: the first failure or the caller's signal ends them all, and none is left behind.

/** Runs all tasks with a shared signal; resolves when all have returned; rejects with the first failure, after all have returned. */
export async function runAll(
  signal: AbortSignal,
  tasks: readonly ((signal: AbortSignal) => Promise<void>)[],
): Promise<void> {
  const failed = new AbortController();
  const shared = AbortSignal.any([signal, failed.signal]);
  let failure: { error: unknown } | undefined;
  await Promise.all(
    tasks.map((task) =>
      task(shared).catch((error: unknown) => {
        failure ??= { error };
        failed.abort();
      }),
    ),
  );
  if (failure !== undefined) throw failure.error;
}
