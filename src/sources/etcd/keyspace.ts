// The keys under one prefix of etcd, mirrored: read whole at a revision, then watched from the next one on.
// The supervisor: whatever ends a session (error, cancel, compaction, silence) leads to a new client, a new list with a
// diff, and a new watch. What is read right after a loss is suspect until a second list agrees.
// It must not know layouts. Invariant: the mirror never goes back: an event at or below its revision is not applied.
import type { Etcd3 } from 'etcd3';
import type { Degraded } from '../../model/snapshot.ts';
import { createBackoff } from '../../util/backoff.ts';
import { errorText } from '../../util/errors.ts';
import { type EtcdAccess, openClient, plainReason } from '../../util/etcd/access.ts';
import { prefixRange } from '../../util/etcd/key-range.ts';
import { createBell } from '../bell.ts';
import type { SourceDeps } from '../source-deps.ts';
import { type KeyList, type KeyValue, listKeys } from './key-range.ts';
import { type KeyEvent, openWatch, type WatchEnd } from './watch-stream.ts';

export interface KeyspaceOptions {
  readonly name: string;
  readonly access: EtcdAccess;
  readonly prefix: string;
  /** Between a suspect list and the second one; default 2 s. */
  readonly confirmMs?: number;
  /** Between two full reads that check the watch; default 60 s, with jitter. */
  readonly relistMs?: number;
  /** Between two questions to the cluster whether it answers; default 10 s. */
  readonly probeMs?: number;
  /** Opens a client for one session; for tests. */
  readonly open?: (access: EtcdAccess) => Promise<Etcd3>;
}

export interface KeyspaceState {
  readonly entries: ReadonlyMap<string, KeyValue>;
  /** Keys that may differ from the state told before. */
  readonly changed: ReadonlySet<string>;
  readonly revision: string;
  readonly complete: boolean;
  readonly degraded?: Degraded;
}

/** Leased keys that vanish together make the answer suspect: at least so many, and at least half of all. */
const massExpiryKeys = 3;
const massExpiryWindowMs = 2000;
/** How long events may be on their way before a difference counts as missed. */
const inFlightMs = 1000;

export async function runKeyspace(
  deps: SourceDeps,
  options: KeyspaceOptions,
  { signal, tell }: { readonly signal: AbortSignal; readonly tell: (state: KeyspaceState) => void },
): Promise<void> {
  const { clock, random } = deps;
  const log = deps.log.child('etcd');
  const { confirmMs = 2000, relistMs = 60_000, probeMs = 10_000 } = options;
  const open = options.open ?? ((access: EtcdAccess) => openClient(access, clock));
  const missed = deps.metrics.counter(
    'etcd_missed_events_total',
    'Keys that a periodic full read of etcd found different from what the watch had told',
    ['source'],
  );
  const sessions = deps.metrics.counter('etcd_sessions_total', 'Sessions with etcd begun, by why the last one ended', [
    'source',
    'after',
  ]);
  const entries = new Map<string, KeyValue>();
  const range = prefixRange(options.prefix);
  const backoff = createBackoff(random, 100, 2000);
  const bell = createBell(clock, signal);
  let position = 0n;
  let leased = 0;
  let complete = false;
  let degraded: Degraded | undefined;
  /** Why it could not be read, as the log has it; undefined once it was read. */
  let told: string | undefined;
  let deletions: { readonly atMs: number; readonly keys: number }[] = [];

  function say(changed: ReadonlySet<string>): void {
    tell({
      entries,
      changed,
      revision: position.toString(),
      complete,
      ...(degraded === undefined ? {} : { degraded }),
    });
  }

  /** Keys that a list has newer than the mirror, or without which it is. */
  function difference(list: KeyList): Set<string> {
    const keys = new Set<string>();
    for (const [key, value] of list.values) {
      const own = entries.get(key);
      if (own === undefined || own.modified < value.modified) keys.add(key);
    }
    for (const [key, own] of entries) if (!list.values.has(key) && own.modified <= list.revision) keys.add(key);
    return keys;
  }

  function set(key: string, value: KeyValue | undefined): void {
    leased += (value?.leased === true ? 1 : 0) - (entries.get(key)?.leased === true ? 1 : 0);
    if (value === undefined) entries.delete(key);
    else entries.set(key, value);
  }

  /** The store as it is now, whatever the mirror had: also after its revision went back (restored from a backup). */
  function replaceAll(list: KeyList): Set<string> {
    const changed = new Set<string>();
    for (const key of entries.keys()) if (!list.values.has(key)) changed.add(key);
    for (const [key, value] of list.values) {
      const own = entries.get(key);
      if (own?.modified !== value.modified || own.created !== value.created || own.value !== value.value)
        changed.add(key);
    }
    for (const key of changed) set(key, list.values.get(key));
    position = list.revision;
    return changed;
  }

  /** Applies events; true when so many leased keys vanished that it looks like a fault of leases. */
  function applyEvents(events: readonly KeyEvent[], reached: bigint): { changed: Set<string>; mass: boolean } {
    const changed = new Set<string>();
    const before = leased;
    let gone = 0;
    for (const { key, value, modified } of events) {
      if (modified <= position || modified <= (entries.get(key)?.modified ?? 0n)) continue;
      if (value === undefined && entries.get(key)?.leased === true) gone++;
      set(key, value);
      changed.add(key);
    }
    if (reached > position) position = reached;
    const nowMs = clock.now();
    deletions = deletions.filter(({ atMs }) => nowMs - atMs < massExpiryWindowMs);
    if (gone > 0) deletions.push({ atMs: nowMs, keys: gone });
    const recent = deletions.reduce((sum, { keys }) => sum + keys, 0);
    return { changed, mass: gone > 0 && recent >= massExpiryKeys && recent * 2 >= before + recent - gone };
  }

  async function session(after: string): Promise<WatchEnd> {
    sessions.add({ source: options.name, after });
    const client = await open(options.access);
    let end: WatchEnd | undefined;
    let closeWatch: (() => void) | undefined;
    let confirmAt = Number.POSITIVE_INFINITY;
    try {
      const list = await unlessAborted(listKeys(client, options.prefix), signal);
      if (list === undefined) return { reason: 'aborted', harmless: true };
      const changed = replaceAll(list);
      const vanished = [...changed].filter((key) => !list.values.has(key)).length;
      degraded = undefined;
      if (complete && after === 'loss')
        degraded = { kind: 'suspect', reason: 'first answer after the connection was lost; waiting for a second one' };
      else if (vanished >= massExpiryKeys && vanished >= list.values.size)
        degraded = { kind: 'suspect', reason: 'many keys vanished at once; waiting for a second answer' };
      complete = true;
      say(changed);
      closeWatch = await openWatch(
        client,
        { prefix: options.prefix, range, start: list.revision + 1n },
        {
          onEvents(events, reached) {
            const applied = applyEvents(events, reached);
            if (applied.mass) {
              degraded = { kind: 'suspect', reason: 'many leases ended at once; waiting for a second answer' };
              confirmAt = clock.now() + confirmMs;
              bell.ring();
            }
            if (applied.changed.size > 0) say(applied.changed);
          },
          onEnd(why) {
            end = why;
            bell.ring();
          },
        },
      );
      backoff.reset();
      if (told !== undefined) log.info('etcd is read again', { source: options.name });
      told = undefined;
      if (degraded !== undefined) confirmAt = clock.now() + confirmMs;
      let probeAt = clock.now() + probeMs;
      let relistAt = clock.now() + relistMs * (0.75 + random() / 2);
      for (;;) {
        await bell.wait(Math.max(0, Math.min(confirmAt, probeAt, relistAt) - clock.now()));
        if (end !== undefined) return end;
        if (signal.aborted) return { reason: 'aborted', harmless: true };
        const nowMs = clock.now();
        if (nowMs >= confirmAt) {
          confirmAt = Number.POSITIVE_INFINITY;
          const missing = await check(client);
          if (missing !== undefined) return missing;
          if (end !== undefined || signal.aborted || confirmAt !== Number.POSITIVE_INFINITY) continue;
          degraded = undefined;
          say(new Set());
        }
        if (nowMs >= relistAt) {
          const missing = await check(client);
          if (missing !== undefined) return missing;
          relistAt = clock.now() + relistMs * (0.75 + random() / 2);
        } else if (nowMs >= probeAt) {
          await unlessAborted(client.kv.range({ key: range.start, limit: 1, count_only: true }), signal);
        }
        if (nowMs >= probeAt) probeAt = clock.now() + probeMs;
      }
    } finally {
      closeWatch?.();
      client.close();
    }
  }

  /**
   * The safety net: what two lists agree on and the watch has not told in the time between them is taken, and counted.
   * (One list alone proves nothing: events may be on their way, or the mirror may be ahead of it.)
   * A watch that missed something is not trusted any further: the session is to end.
   */
  async function check(client: Etcd3): Promise<WatchEnd | undefined> {
    const first = await unlessAborted(listKeys(client, options.prefix), signal);
    if (first === undefined || difference(first).size === 0) return undefined;
    await clock.sleep(inFlightMs, signal);
    const second = await unlessAborted(listKeys(client, options.prefix), signal);
    if (second === undefined) return undefined;
    const before = difference(first);
    const differing = [...difference(second)].filter(
      (key) => before.has(key) && first.values.get(key)?.modified === second.values.get(key)?.modified,
    );
    if (differing.length === 0) return undefined;
    missed.add({ source: options.name }, differing.length);
    return { reason: `the watch had missed ${differing.length} changes`, harmless: true };
  }

  let after = 'start';
  while (!signal.aborted) {
    let end: WatchEnd;
    try {
      end = await session(after);
    } catch (error) {
      end = { reason: errorText(error), harmless: false };
    }
    if (signal.aborted) return;
    if (end.harmless) {
      after = 'relist';
      log.info('reading everything under the prefix anew', { reason: end.reason });
      await clock.sleep(random() * 100, signal);
      continue;
    }
    after = 'loss';
    const reason = plainReason(end.reason, options.access.endpoints);
    degraded = { kind: 'unreachable', reason };
    if (told !== reason) log.warn('etcd cannot be read, and is asked again', { source: options.name, reason });
    told = reason;
    say(new Set());
    await clock.sleep(backoff.next(), signal);
  }
}

/** The promise's value, or undefined as soon as `signal` aborts; what it does afterwards is ignored. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const { promise: aborted, resolve } = Promise.withResolvers<undefined>();
  const stop = (): void => resolve(undefined);
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
    promise.catch(() => undefined);
  }
}
