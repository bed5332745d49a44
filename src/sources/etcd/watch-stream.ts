// One watch on one stream of etcd, from a revision of ours. etcd3's Watcher is not used: it resumes at the header's
// revision, which skips events of a catch-up that was cut, hides the compact revision, and dies silently after it.
// It must not know what the keys mean. Invariant: `onEnd` is called once, and nothing after it; no callback throws into the stream.
import type { Etcd3, IWatchResponse } from 'etcd3';
import { errorText } from '../../util/errors.ts';
import type { KeyRange } from '../../util/etcd/key-range.ts';
import { type KeyValue, keyValue } from './key-range.ts';

export interface KeyEvent {
  readonly key: string;
  /** Absent: deleted. */
  readonly value?: KeyValue;
  readonly modified: bigint;
}

export interface WatchEnd {
  /** Nothing is wrong with the store (the revision asked for was compacted): read everything anew. */
  readonly harmless: boolean;
  readonly reason: string;
}

export interface WatchHandlers {
  /** The events of whole revisions, in order; empty for a progress notice. `position` is what the watch has reached. */
  onEvents(events: readonly KeyEvent[], position: bigint): void;
  onEnd(end: WatchEnd): void;
}

export interface WatchOptions {
  readonly prefix: string;
  readonly range: KeyRange;
  readonly start: bigint;
}

/** What of a response counts. */
export interface WatchAnswer {
  readonly header: { readonly revision: string };
  readonly created: boolean;
  readonly events: readonly { readonly kv: { readonly mod_revision: string } }[];
}

/**
 * The position after a response, as etcd's Go client keeps it: the revision of the last event; with a progress notice the
 * header's; a "created" answer moves nothing. (The header of an answer with events may be ahead of what was sent.)
 */
export function positionAfter(position: bigint, answer: WatchAnswer): bigint {
  const last = answer.events.at(-1);
  if (last !== undefined) return max(position, BigInt(last.kv.mod_revision));
  return answer.created ? position : max(position, BigInt(answer.header.revision));
}

const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);

/** Resolves with a function that ends the watch silently. */
export async function openWatch(
  client: Pick<Etcd3, 'watchClient'>,
  options: WatchOptions,
  handlers: WatchHandlers,
): Promise<() => void> {
  const stream = await client.watchClient.watch();
  let open = true;
  let position = options.start - 1n;
  let pieces: KeyEvent[] = [];

  function end(reason: string, harmless = false): void {
    if (!open) return;
    open = false;
    stream.cancel();
    handlers.onEnd({ reason, harmless });
  }

  function receive(answer: IWatchResponse): void {
    if (answer.canceled) {
      const compacted = answer.compact_revision !== '0';
      end(compacted ? `compacted at revision ${answer.compact_revision}` : refusal(answer), compacted);
      return;
    }
    if (answer.created) return;
    for (const { type, kv } of answer.events) {
      const value = keyValue(kv, options.prefix);
      // The loader gives enum names as the .proto spells them, etcd3's types spell them otherwise.
      const deleted = type.toUpperCase() === 'DELETE';
      pieces.push({ key: value.key, modified: value.modified, ...(deleted ? {} : { value }) });
    }
    position = positionAfter(position, answer);
    // A large revision comes in pieces; a piece alone is not a state the store ever had.
    if (answer.fragment) return;
    const events = pieces;
    pieces = [];
    handlers.onEvents(events, position);
  }

  stream.on('data', (answer: IWatchResponse) => {
    if (!open) return;
    try {
      receive(answer);
    } catch (error) {
      end(`an answer could not be handled: ${errorText(error)}`);
    }
  });
  stream.on('error', (error: unknown) => end(errorText(error)));
  stream.on('end', () => end('the stream ended'));
  stream.write({
    create_request: {
      key: options.range.start,
      range_end: options.range.end,
      start_revision: options.start.toString(),
      progress_notify: true,
      fragment: true,
    },
  });
  return () => {
    if (!open) return;
    open = false;
    stream.cancel();
  };
}

function refusal(answer: IWatchResponse): string {
  return answer.cancel_reason === '' ? 'etcd cancelled the watch' : answer.cancel_reason;
}
