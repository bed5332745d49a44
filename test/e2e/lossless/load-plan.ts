// What the load consists of and what becomes of it: plain data that the worker thread and the test share.
// Invariant: every request that was due is counted in exactly one of `ok`, `failures` and `starved`.

/** `h1` and `h2` are GETs, `grpc` is a unary call, `post` an HTTP/1.1 POST (counted apart: it may not be repeated). */
export type Kind = 'h1' | 'h2' | 'grpc' | 'post';
export const kinds: readonly Kind[] = ['h1', 'h2', 'grpc', 'post'];

export interface Target {
  readonly kind: Kind;
  /** Through which proxy. */
  readonly via: string;
  readonly port: number;
  readonly host: string;
  readonly perSecond: number;
}

/** One request that did not end well. */
export interface Failure {
  /** Wall-clock milliseconds at which it was sent. */
  readonly atMs: number;
  /** Until it failed. */
  readonly afterMs: number;
  readonly kind: Kind;
  readonly via: string;
  readonly host: string;
  /** Unique in a run: finds the request in Envoy's access log. */
  readonly path: string;
  /** `status 503`, `grpc-status 14`, `ECONNRESET`, `time-out`. */
  readonly reason: string;
  /** Begin of the body, or the gRPC message. */
  readonly text: string;
  /** On a connection of its own, or one that had carried requests before. */
  readonly connection: 'fresh' | 'kept';
  /** Longest time the load's own thread stood still while the request ran. */
  readonly stalledMs: number;
}

export interface Tally {
  readonly target: Target;
  readonly sent: number;
  readonly ok: number;
  readonly failures: readonly Failure[];
  /** Timed out while the load's own thread stood still: the machine's doing, told apart. */
  readonly starved: readonly Failure[];
  /** Requests that could not be written to a connection as it was closed to new ones, and went out on another. */
  readonly heldBack: number;
  /** Milliseconds from the time it was due to its answer: median, 99th percentile, longest. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Who answered, and how often. */
  readonly answered: Readonly<Record<string, number>>;
}

export interface LoadReport {
  readonly label: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly tallies: readonly Tally[];
  /** Longest time the load's own thread stood still: requests due then were sent late, all at once. */
  readonly stalledMs: number;
}

export interface LoadPlan {
  readonly targets: readonly Target[];
  /** Every so many requests one opens a connection of its own. */
  readonly freshEvery: number;
  readonly timeoutMs: number;
  /** Hard end, should the test forget it. */
  readonly maxSeconds: number;
}

/** To the worker. */
export type LoadCommand =
  | { readonly kind: 'label'; readonly label: string }
  /** Asks for the label's report once all of its requests have ended. */
  | { readonly kind: 'report'; readonly label: string }
  | { readonly kind: 'stop' };

/** From the worker. */
export type LoadAnswer =
  | { readonly kind: 'report'; readonly report: LoadReport }
  | { readonly kind: 'failed'; readonly label: string; readonly failure: Failure };
