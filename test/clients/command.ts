// What the tests tell a third-party client to do, and what it says: one JSON object each, over HTTP.

export type ClientCommand =
  | {
      readonly do: 'call';
      readonly target: string;
      readonly method: string;
      readonly headers: Readonly<Record<string, string>>;
      /** Calls one after the other. */
      readonly count: number;
      readonly deadlineMs: number;
      /** A new channel lets go of its resources after so long without calls; 0: the library's own time. */
      readonly idleMs: number;
    }
  /** Drops the channel. */
  | { readonly do: 'close'; readonly target: string }
  /** Serves `/test.Who/Ask` there, as its own server listener says. */
  | { readonly do: 'serve'; readonly address: string; readonly name: string };

export interface ClientAnswer {
  /** How often each server answered. */
  readonly seen: Readonly<Record<string, number>>;
  /** How often calls ended with each gRPC status code. */
  readonly failed: Readonly<Record<string, number>>;
  /** The last failure's words. */
  readonly last: string;
}
