// The streams of one worker as the main thread keeps them: who they are, and what must be told if the worker dies.
// It must not know threads. Invariant: every stream that was told open is told closed; an `idle` that was said before the
// worker knew of a change is not believed.
import type { ClientInfo, XdsEvent } from '../contract.ts';
import type { Publisher } from './publisher.ts';

export interface StreamBook {
  open(client: ClientInfo): void;
  /** Takes an event that the worker told when it had taken the lists up to `seen`. */
  take(event: XdsEvent, seen: number): void;
  /** The worker is gone. */
  end(reason: string): void;
  /** Highest number of a stream so far; 0 if there was none. */
  lastStream(): number;
}

export function createStreamBook(publisher: Publisher, tell: (event: XdsEvent) => void): StreamBook {
  const open = new Set<number>();
  const reporting = new Set<number>();
  let last = 0;

  function take(event: XdsEvent, seen: number): void {
    switch (event.kind) {
      case 'open': {
        const { streamId } = event.client;
        open.add(streamId);
        // The same object that its view was opened for.
        tell({ ...event, client: publisher.client(streamId) ?? event.client });
        return;
      }
      case 'close':
        open.delete(event.streamId);
        break;
      case 'load':
        reporting.add(event.streamId);
        break;
      case 'load-end':
        reporting.delete(event.streamId);
        break;
      case 'idle':
        if (publisher.behind(event.streamId, seen)) return;
        break;
      default:
        break;
    }
    tell(event);
  }

  return {
    open(client) {
      last = Math.max(last, client.streamId);
      publisher.open(client);
    },
    take,
    end(reason) {
      publisher.end();
      for (const streamId of open) tell({ kind: 'close', streamId, reason });
      for (const streamId of reporting) tell({ kind: 'load-end', streamId });
      open.clear();
      reporting.clear();
    },
    lastStream: () => last,
  };
}
