// The load itself, in a thread of its own so that nothing the test does delays it. Open loop: the n-th request of a target
// is due at start + n / rate whatever became of the others, and its time counts from when it was due.
// Invariant: what was due is sent, late rather than never, and what was sent is counted.
import { parentPort, workerData } from 'node:worker_threads';
import type { Failure, LoadAnswer, LoadCommand, LoadPlan, Tally, Target } from './load-plan.ts';
import { createRequester, type Outcome, type Sending } from './requester.ts';

const plan = workerData as LoadPlan;
const port = parentPort;
if (port === null) throw new Error('the load runs as a worker thread');

/** A time-out counts as the machine's doing when this much of it was the thread's own standing still. */
const starvedMs = 1000;
const tickMs = 2;

interface Counts {
  readonly target: Target;
  sent: number;
  ok: number;
  readonly failures: Failure[];
  readonly starved: Failure[];
  heldBack: number;
  readonly times: number[];
  readonly answered: Record<string, number>;
}

interface Chapter {
  readonly label: string;
  readonly fromMs: number;
  toMs: number;
  readonly counts: readonly Counts[];
  running: number;
  stalledMs: number;
  wanted: boolean;
}

interface Running {
  readonly deadline: number;
  stalledMs: number;
  readonly expire: () => void;
}

const wall = (): number => performance.timeOrigin + performance.now();
const chapters = new Map<string, Chapter>();
const running = new Set<Running>();
const lanes = plan.targets.map((target) => ({ target, requester: createRequester(target), sent: 0 }));
let number = 0;

function open(label: string): Chapter {
  const known = chapters.get(label);
  if (known !== undefined) return known;
  const counts = plan.targets.map((target) => ({
    ...{ target, sent: 0, ok: 0, failures: [], starved: [], heldBack: 0, times: [], answered: {} },
  }));
  const chapter = { label, fromMs: wall(), toMs: wall(), counts, running: 0, stalledMs: 0, wanted: false };
  chapters.set(label, chapter);
  return chapter;
}

let chapter = open('start');

function say(answer: LoadAnswer): void {
  port?.postMessage(answer);
}

function report(of: Chapter): void {
  const percentile = (sorted: readonly number[], p: number): number =>
    sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)] ?? 0;
  const tallies = of.counts.map(({ times, ...rest }): Tally => {
    const sorted = times.toSorted((a, b) => a - b);
    return { ...rest, p50Ms: percentile(sorted, 0.5), p99Ms: percentile(sorted, 0.99), maxMs: sorted.at(-1) ?? 0 };
  });
  const { label, fromMs, toMs, stalledMs } = of;
  say({ kind: 'report', report: { label, fromMs, toMs, tallies, stalledMs } });
}

function send(lane: (typeof lanes)[number], index: number, dueAt: number): void {
  const own = chapter;
  const counts = own.counts[index];
  if (counts === undefined) return;
  const { target } = lane;
  const fresh = lane.sent % plan.freshEvery === plan.freshEvery - 1;
  lane.sent++;
  counts.sent++;
  own.running++;
  const path = target.kind === 'grpc' ? `/lossless.Echo/Say${++number}` : `/r/${++number}`;
  const sentAt = performance.now();
  const atMs = wall();
  let sending: Sending | undefined;
  const finish = (outcome: Outcome, timedOut = false): void => {
    if (!running.delete(entry)) return;
    own.running--;
    const now = performance.now();
    counts.times.push(now - dueAt);
    if ((outcome.heldBack ?? 0) > 0) counts.heldBack++;
    if (outcome.reason === undefined) {
      counts.ok++;
      counts.answered[outcome.backend] = (counts.answered[outcome.backend] ?? 0) + 1;
    } else {
      const failure: Failure = {
        ...{ atMs, afterMs: now - sentAt, kind: target.kind, via: target.via, host: target.host, path },
        ...{ reason: outcome.reason, text: outcome.text, stalledMs: entry.stalledMs },
        connection: sending?.connection ?? (fresh ? 'fresh' : 'kept'),
      };
      if (timedOut && entry.stalledMs >= starvedMs) counts.starved.push(failure);
      else {
        counts.failures.push(failure);
        say({ kind: 'failed', label: own.label, failure });
      }
    }
    if (own.wanted && own.running === 0) report(own);
  };
  const entry: Running = {
    deadline: sentAt + plan.timeoutMs,
    stalledMs: 0,
    expire() {
      sending?.abandon();
      finish({ reason: 'time-out', text: '', backend: '' }, true);
    },
  };
  running.add(entry);
  try {
    sending = lane.requester.send(path, fresh, (outcome) => finish(outcome));
  } catch (error) {
    finish({ reason: (error as NodeJS.ErrnoException).code ?? 'not sent', text: String(error), backend: '' });
  }
}

const start = performance.now();
let lastTick = start;
let lastSweep = start;
const timer = setInterval(() => {
  const now = performance.now();
  const stalled = now - lastTick - tickMs;
  lastTick = now;
  chapter.toMs = wall();
  if (stalled > chapter.stalledMs) chapter.stalledMs = stalled;
  if (stalled > 50) for (const entry of running) entry.stalledMs += stalled;
  for (const [index, lane] of lanes.entries()) {
    const { perSecond } = lane.target;
    for (;;) {
      const dueAt = start + ((lane.sent + (index + 1) / (lanes.length + 1)) * 1000) / perSecond;
      if (dueAt > now) break;
      send(lane, index, dueAt);
    }
  }
  if (now - lastSweep >= 100) {
    lastSweep = now;
    for (const entry of running) if (entry.deadline <= now) entry.expire();
  }
  if (now - start > plan.maxSeconds * 1000) clearInterval(timer);
}, tickMs);

port.on('message', (command: LoadCommand) => {
  if (command.kind === 'label') chapter = open(command.label);
  else if (command.kind === 'report') {
    const asked = chapters.get(command.label);
    if (asked === undefined) return;
    asked.wanted = true;
    if (asked.running === 0) report(asked);
  } else {
    clearInterval(timer);
    for (const { requester } of lanes) requester.close();
    port.close();
  }
});
