// The threads that sign, and who is asked next: hands out what waits, a little at a time, and asks again what a thread that
// died was asked. It must not know certificates. Invariants: every request is answered once, or refused once; a thread has
// a few orders at most, so that what is urgent waits for those only; an order is made when it is handed out, not when it is
// asked for, so that it is never for an issuer of the past.
import { type Backoff, createBackoff } from '../util/backoff.ts';
import type { Clock, Timer } from '../util/clock.ts';
import { AppError } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import type { Metrics } from '../util/metrics.ts';
import type { Random } from '../util/random.ts';
import type { Urgency } from './contract.ts';
import { createIssuanceQueue } from './issuance.ts';
import { type Signer, type StartSigner, startSigner } from './signer.ts';
import type { Signed, SigningAnswer, SigningOrder } from './signing.ts';
import type { Issuer } from './x509.ts';

export interface SigningPoolDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Starts a thread; tests watch over it. */
  readonly start?: StartSigner;
}

export interface SigningPoolOptions {
  /** At least 1. */
  readonly threads: number;
  readonly maxWaiting: number;
  /** A thread that has not answered for so long hangs, and is replaced. Default 30 s: a message is milliseconds of work. */
  readonly hangsAfterMs?: number;
}

export interface SigningPool {
  /** `order` is called each time it is handed out; what it throws, the request is refused with. */
  sign(urgency: Urgency, order: () => { readonly issuer: Issuer; readonly order: SigningOrder }): Promise<Signed>;
  /** Ends the threads; what waits is refused, and what comes later. */
  stop(): void;
}

interface Request {
  readonly urgency: Urgency;
  readonly order: () => { readonly issuer: Issuer; readonly order: SigningOrder };
  readonly resolve: (signed: Signed) => void;
  readonly reject: (error: unknown) => void;
  /** Threads that died while they had it. */
  deaths: number;
}

interface Slot {
  readonly name: string;
  readonly backoff: Backoff;
  readonly asked: Map<number, Request>;
  signer: Signer | undefined;
  /** The last one it was told. */
  issuer: Issuer | undefined;
  /** A thread died; the next one is not due yet. */
  resting: boolean;
  /** Fires where nothing is answered for too long. */
  watch: Timer | undefined;
}

/** In one message: about five milliseconds of a thread. */
const batch = 16;
/** One message to work on and one to come. */
const window = 2 * batch;
const maxDeaths = 3;

export function createSigningPool(deps: SigningPoolDeps, options: SigningPoolOptions): SigningPool {
  const { threads, maxWaiting, hangsAfterMs = 30_000 } = options;
  const { clock, log, random } = deps;
  const start = deps.start ?? startSigner;
  const waiting = deps.metrics.gauge('ca_waiting', 'Certificates that wait to be signed');
  const deaths = deps.metrics.counter('ca_signing_thread_deaths_total', 'Signing threads that ended unasked');
  const hung = deps.metrics.counter(
    'ca_signing_thread_hangs_total',
    'Signing threads that were replaced, for they hung',
  );
  const queue = createIssuanceQueue<Request>();
  const slots: readonly Slot[] = Array.from({ length: Math.max(1, threads) }, (_, index) => ({
    name: `signing-${index}`,
    backoff: createBackoff(random, 100, 10_000),
    asked: new Map<number, Request>(),
    signer: undefined,
    issuer: undefined,
    resting: false,
    watch: undefined,
  }));
  const stopping = new AbortController();
  let next = 1;
  let dealing = false;

  const stopped = (): AppError =>
    new AppError('CH1815', 'the authority has stopped; nothing more is signed', { retryable: true });

  /** Once for all that is asked in one go. */
  function dealSoon(): void {
    if (dealing) return;
    dealing = true;
    queueMicrotask(() => {
      dealing = false;
      deal();
    });
  }

  function deal(): void {
    if (stopping.signal.aborted) return;
    for (const slot of [...slots].sort((a, b) => a.asked.size - b.asked.size))
      while (!slot.resting && queue.size() > 0 && slot.asked.size + batch <= window) if (!ask(slot)) break;
    waiting.set({}, queue.size());
  }

  /** Hands the slot one message; false if there was nothing it may have. */
  function ask(slot: Slot): boolean {
    const orders: { readonly id: number; readonly order: SigningOrder }[] = [];
    let issuer: Issuer | undefined;
    while (orders.length < batch) {
      const request = queue.peek();
      // What may have killed a thread is asked alone, so that nobody else dies of it.
      if (request === undefined || (request.deaths > 0 && slot.asked.size > 0)) break;
      const made = orderOf(request);
      // One message, one issuer.
      if (made !== undefined && issuer !== undefined && issuer !== made.issuer) break;
      queue.take();
      if (made === undefined) continue;
      issuer = made.issuer;
      const id = next++;
      slot.asked.set(id, request);
      orders.push({ id, order: made.order });
      if (request.deaths > 0) break;
    }
    if (issuer === undefined) return false;
    const signer = slot.signer ?? begin(slot);
    const news = slot.issuer === issuer ? undefined : issuer;
    slot.issuer = issuer;
    signer.hold(true);
    if (slot.watch === undefined) watch(slot, signer);
    signer.post({ issuer: news, orders });
    return true;
  }

  function orderOf(request: Request): ReturnType<Request['order']> | undefined {
    try {
      return request.order();
    } catch (error) {
      request.reject(error);
      return undefined;
    }
  }

  function begin(slot: Slot): Signer {
    const signer = start(slot.name, (answers) => {
      if (slot.signer === signer) take(slot, answers);
    });
    slot.signer = signer;
    slot.issuer = undefined;
    void signer.ended.then((why) => {
      if (slot.signer === signer) void bury(slot, why);
    });
    return signer;
  }

  function take(slot: Slot, answers: readonly SigningAnswer[]): void {
    slot.backoff.reset();
    for (const answer of answers) {
      const request = slot.asked.get(answer.id);
      slot.asked.delete(answer.id);
      if ('signed' in answer) request?.resolve(answer.signed);
      else request?.reject(new AppError(answer.refused.code ?? 'CH1818', answer.refused.message));
    }
    unwatch(slot);
    if (slot.asked.size === 0) slot.signer?.hold(false);
    else if (slot.signer !== undefined) watch(slot, slot.signer);
    deal();
  }

  /** Begins anew with every answer. */
  function watch(slot: Slot, signer: Signer): void {
    slot.watch = clock.after(hangsAfterMs, () => {
      slot.watch = undefined;
      if (slot.signer !== signer) return;
      hung.add({});
      // Not waited for: what hangs may not end either.
      signer.kill();
      void bury(slot, `it answered nothing for ${hangsAfterMs} ms`);
    });
  }

  function unwatch(slot: Slot): void {
    slot.watch?.cancel();
    slot.watch = undefined;
  }

  async function bury(slot: Slot, why: string): Promise<void> {
    unwatch(slot);
    const left = [...slot.asked.values()];
    slot.asked.clear();
    slot.signer = undefined;
    deaths.add({});
    for (const request of left) {
      request.deaths++;
      if (request.deaths < maxDeaths) queue.putBack(request.urgency, request);
      else
        request.reject(
          new AppError('CH1818', `${maxDeaths} signing threads ended as they were asked for it: ${why}`, {
            retryable: true,
          }),
        );
    }
    const waitMs = slot.backoff.next();
    log.error('a signing thread ended; what it had is signed by the next one', {
      thread: slot.name,
      reason: why,
      askedAgain: left.length,
      againInMs: Math.round(waitMs),
    });
    slot.resting = true;
    dealSoon();
    await clock.sleep(waitMs, stopping.signal);
    slot.resting = false;
    deal();
  }

  return {
    sign(urgency, order) {
      if (stopping.signal.aborted) return Promise.reject(stopped());
      if (queue.size() >= maxWaiting)
        return Promise.reject(
          new AppError('CH1817', `${maxWaiting} certificates wait to be signed already`, { retryable: true }),
        );
      return new Promise((resolve, reject) => {
        queue.push(urgency, { urgency, order, resolve, reject, deaths: 0 });
        dealSoon();
      });
    },
    stop() {
      if (stopping.signal.aborted) return;
      stopping.abort();
      for (const slot of slots) {
        for (const request of slot.asked.values()) request.reject(stopped());
        slot.asked.clear();
        const { signer } = slot;
        slot.signer = undefined;
        unwatch(slot);
        signer?.kill();
      }
      for (let request = queue.take(); request !== undefined; request = queue.take()) request.reject(stopped());
      waiting.set({}, 0);
    },
  };
}
