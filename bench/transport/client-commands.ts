// What the benchmark asks of its load client, and what it answers. Both sides are typed by this table.
import type { FleetOptions } from './fleet.ts';
import type { Receipt } from './receipts.ts';

export interface ConnectResult {
  readonly wallMs: number;
  readonly messages: number;
  readonly bytes: number;
  /** Connections that had to be tried again. */
  readonly retries: number;
}

export interface StormResult {
  /** Changes that reached every proxy that reads, within the time. */
  readonly changes: number;
  readonly seconds: number;
  /** Resources received, all proxies together. */
  readonly resources: number;
  readonly messages: number;
  /** Of all receipts, milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Changes that did not reach everybody before the deadline. */
  readonly lost: number;
}

export interface Commands {
  /** A new fleet, connected; the old one must be closed. */
  connect: {
    readonly ask: { readonly fleet: FleetOptions; readonly deadlineMs: number };
    readonly answer: ConnectResult;
  };
  /** All connect again, to a server that was started anew. */
  reconnect: { readonly ask: { readonly port: number; readonly deadlineMs: number }; readonly answer: ConnectResult };
  /** Requests `url`, which changes the resource `name` (absent: some of the set), and waits for `proxies` receipts. */
  change: {
    readonly ask: {
      readonly url: string;
      readonly method?: string;
      readonly body?: string;
      readonly name?: string;
      readonly proxies: number;
      readonly deadlineMs: number;
    };
    readonly answer: Receipt;
  };
  /** Changes one name after the other, never more than `open` of them not yet received by all. */
  storm: {
    readonly ask: {
      /** The sequence number and the index of the name are appended: `&k=..&seq=..`. */
      readonly url: string;
      readonly names: number;
      readonly firstSeq: number;
      readonly open: number;
      readonly durationMs: number;
      readonly proxies: number;
    };
    readonly answer: StormResult;
  };
  /** Changes one name after the other at this rate, or as fast as the server takes them, whoever has received what. */
  flood: {
    readonly ask: {
      readonly url: string;
      readonly names: number;
      readonly firstSeq: number;
      readonly perSecond: number;
      readonly durationMs: number;
      readonly proxies: number;
    };
    /** `seconds`: until the last proxy had the last change. */
    readonly answer: { readonly changes: number; readonly seconds: number; readonly lost: number };
  };
  stall: { readonly ask: { readonly count: number }; readonly answer: null };
  differences: {
    readonly ask: { readonly store: Readonly<Record<string, number>> };
    readonly answer: {
      readonly proxies: number;
      readonly examples: string[];
      readonly lost: number;
      readonly messages: number;
      readonly bytes: number;
    };
  };
  close: { readonly ask: null; readonly answer: null };
}

export type CommandName = keyof Commands;

export interface Question<N extends CommandName = CommandName> {
  readonly id: number;
  readonly name: N;
  readonly ask: Commands[N]['ask'];
}

export interface Answer {
  readonly id: number;
  readonly answer?: unknown;
  readonly error?: string;
}
