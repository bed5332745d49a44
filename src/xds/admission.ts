// Lets new streams in at a rate the server can serve, before anything of theirs is read: after a restart every proxy comes
// back at once, and each is answered sooner when they are answered one after the other.
// It must not know who a client is, beyond its address. Invariants: first come, first served; what waits costs a queue
// entry and is bounded; nobody waits for somebody who says nothing.
import type { Clock } from '../util/clock.ts';
import type { Logger } from '../util/log.ts';
import type { Gauge } from '../util/metrics.ts';
import { nobody, type Sink, type StreamListener } from './sink.ts';

export interface AdmissionOptions {
  /** Streams let in a second when they come for longer than a burst. */
  readonly perSecond: number;
  /** Streams let in at once. */
  readonly burst: number;
  /** Streams let in before ACKs and changes of the others get their turn. */
  readonly perTurn: number;
  /** Streams that may wait; further ones are refused. */
  readonly maxWaiting: number;
  /** Streams of one address, waiting ones included; 0: any number. */
  readonly maxPerAddress: number;
}

export interface AdmissionDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly waiting: Gauge;
  readonly onRefused: () => void;
}

export interface Admission {
  /** Calls `open` now or when its turn has come; the listener returned stands for that one. */
  admit(sink: Sink, open: () => StreamListener): StreamListener;
}

interface Entry {
  readonly start: () => void;
}

export function createAdmission({ clock, log, ...deps }: AdmissionDeps, options: AdmissionOptions): Admission {
  const { perSecond, burst, perTurn, maxWaiting, maxPerAddress } = options;
  const waiting = new Set<Entry>();
  const perAddress = new Map<string, number>();
  let tokens = burst;
  let filledMs = clock.now();
  let thisTurn = 0;
  let scheduled = false;

  function refill(): void {
    const now = clock.now();
    tokens = Math.min(burst, tokens + ((now - filledMs) * perSecond) / 1000);
    filledMs = now;
  }

  function schedule(afterMs: number): void {
    if (scheduled) return;
    scheduled = true;
    clock.after(afterMs, () => {
      scheduled = false;
      thisTurn = 0;
      letIn();
    });
  }

  function spend(): void {
    tokens--;
    thisTurn++;
    // The count ends with the turn, also when nobody waits.
    schedule(0);
  }

  function letIn(): void {
    refill();
    for (const entry of waiting) {
      if (tokens < 1 || thisTurn >= perTurn) break;
      waiting.delete(entry);
      spend();
      entry.start();
    }
    deps.waiting.set({}, waiting.size);
    if (waiting.size > 0) schedule(tokens < 1 ? Math.ceil(((1 - tokens) * 1000) / perSecond) : 0);
  }

  function refuse(sink: Sink, details: string): StreamListener {
    log.warn('a stream was refused', { peer: sink.peer.name, reason: details });
    deps.onRefused();
    sink.end('resource-exhausted', details);
    return nobody;
  }

  function hold(sink: Sink, open: () => StreamListener, release: () => void): StreamListener {
    let inner: StreamListener | undefined;
    let over = false;
    let halfClosed = false;
    /** What came although reading was stopped: it had been read. */
    const early: Buffer[] = [];
    const entry: Entry = {
      start() {
        // First, as what is opened may stop reading again.
        if (!over) sink.resume();
        inner = open();
        for (const bytes of early) inner.incoming(bytes);
        if (halfClosed) inner.halfClosed();
      },
    };
    sink.pause();
    waiting.add(entry);
    deps.waiting.set({}, waiting.size);
    schedule(0);
    return {
      incoming: (bytes) => (inner === undefined ? void early.push(bytes) : inner.incoming(bytes)),
      halfClosed() {
        halfClosed = true;
        inner?.halfClosed();
      },
      closed(reason) {
        over = true;
        waiting.delete(entry);
        release();
        inner?.closed(reason);
      },
    };
  }

  return {
    admit(sink, open) {
      const { address } = sink.peer;
      const ofAddress = perAddress.get(address) ?? 0;
      if (maxPerAddress > 0 && ofAddress >= maxPerAddress)
        return refuse(sink, `${address} has ${ofAddress} streams open, which is the limit`);
      const release = (): void => {
        const left = (perAddress.get(address) ?? 1) - 1;
        if (left === 0) perAddress.delete(address);
        else perAddress.set(address, left);
      };
      refill();
      if (waiting.size === 0 && tokens >= 1 && thisTurn < perTurn) {
        perAddress.set(address, ofAddress + 1);
        spend();
        const inner = open();
        return {
          incoming: inner.incoming,
          halfClosed: inner.halfClosed,
          closed(reason) {
            release();
            inner.closed(reason);
          },
        };
      }
      if (waiting.size >= maxWaiting)
        return refuse(sink, `${waiting.size} streams wait to be opened, which is the limit; try again later`);
      perAddress.set(address, ofAddress + 1);
      return hold(sink, open, release);
    },
  };
}
