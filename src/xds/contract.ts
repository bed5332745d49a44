// What the protocol machine needs from control, and what it tells it. It sees names, versions, bytes and dependencies,
// never services or routes.
import type { Caller, Credentials, Principal } from '../model/principal.ts';
import type { Resource, ResourceRef, View } from '../resources/resource.ts';
import type { TypeUrl } from '../resources/type-urls.ts';

/** The claims of a client's first message, how it came, and who it proved to be. */
export interface ClientInfo {
  readonly streamId: number;
  readonly nodeId: string;
  readonly nodeCluster: string;
  /** google.protobuf.Struct as plain JSON; null-prototype. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly locality: { readonly region: string; readonly zone: string; readonly subZone: string };
  readonly userAgentName: string;
  /** `1.40.0`, empty if not told. */
  readonly userAgentVersion: string;
  readonly clientFeatures: readonly string[];
  /** `address:port`. */
  readonly peer: string;
  /** Who it is; undefined where nobody is asked for a credential. */
  readonly principal?: Principal;
}

export interface ViewSubscription {
  /** The current target; may be another View after `onChange`. */
  view(): View;
  /**
   * Where the view is a copy: has it know these names, which it may not have been told of (`View.onDemand`). Call it before
   * they are asked of it; undefined: it knows already. When it resolves, `view()` may be another View.
   */
  prepare?(type: TypeUrl, names: readonly string[]): Promise<void> | undefined;
  close(): void;
}

export interface Refusal {
  readonly refused: 'unauthenticated' | 'permission-denied' | 'unavailable' | 'resource-exhausted' | 'invalid-argument';
  readonly message: string;
}

export type Opened = ViewSubscription | Refusal;

export interface ViewProvider {
  /**
   * Who a caller is, asked before anything of its stream is decoded. Absent: nobody is asked for a credential. The stream
   * ends with the principal's time.
   */
  authenticate?(credentials: Credentials): Promise<Caller> | Caller;
  /** Told which principals are to have no stream any more, by `credential.id`. Returns the way to stop. */
  onRevoked?(listener: (credentialIds: ReadonlySet<string>) => void): () => void;
  /**
   * Opens the view of a client. `onChange` is called after the view changed, with every (type, name) that was added,
   * changed or removed, but for endpoints; synchronously after publication, never during this call. The name `*` stands
   * for every name of its type that may be asked for (`View.onDemand`).
   */
  open(client: ClientInfo, onChange: (changed: readonly ResourceRef[]) => void): Opened | Promise<Opened>;
  /**
   * Endpoints lie beside the views in one table, which every view reads as it is now: what changed in it is told once, by
   * name, after publication, so that it costs those who watch the name. Returns the way to stop.
   */
  onEndpoints(listener: (names: readonly string[]) => void): () => void;
}

/** Asked over HTTP/1.1 on the port of xDS, beside discovery: how a node comes by a credential before it has any. */
export interface DoorRequest {
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  readonly body: string;
  readonly credentials: Credentials;
}

export interface DoorReply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** Undefined: there is nothing at that path. */
export type Doors = (request: DoorRequest) => Promise<DoorReply | undefined>;

/** Told to control as it happens: the ledger, the logs and the metrics are made from these. */
export type XdsEvent =
  | {
      readonly kind: 'open';
      readonly client: ClientInfo;
      readonly variant: 'sotw' | 'delta';
      readonly aggregated: boolean;
    }
  | { readonly kind: 'close'; readonly streamId: number; readonly reason: string }
  | {
      readonly kind: 'subscribe';
      readonly streamId: number;
      readonly type: TypeUrl;
      readonly names: number;
      readonly wildcard: boolean;
    }
  | {
      readonly kind: 'sent';
      readonly streamId: number;
      readonly type: TypeUrl;
      readonly nonce: string;
      /** name -> version of what was sent. */
      readonly resources: ReadonlyMap<string, string>;
      readonly removed: readonly string[];
      readonly bytes: number;
    }
  /** A change touched what the stream watches: it has something to send, or to hold back for a while. */
  | { readonly kind: 'due'; readonly streamId: number }
  /** Nothing waits to be sent and nothing to be answered: of all that was told so far, everything was taken or refused. */
  | { readonly kind: 'idle'; readonly streamId: number }
  | { readonly kind: 'ack'; readonly streamId: number; readonly type: TypeUrl; readonly nonce: string }
  | {
      readonly kind: 'nack';
      readonly streamId: number;
      readonly type: TypeUrl;
      readonly nonce: string;
      readonly message: string;
      readonly resources: ReadonlyMap<string, string>;
    }
  /** A client's load report (LRS). Its stream was opened with the provider, and is no discovery stream. */
  | { readonly kind: 'load'; readonly streamId: number; readonly clusters: readonly ClusterLoad[] }
  | { readonly kind: 'load-end'; readonly streamId: number };

/** Requests of one client to the instances of one locality, since its last report. */
export interface LocalityLoad {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
  readonly issued: number;
  readonly succeeded: number;
  readonly failed: number;
  /** In progress at the time of the report. */
  readonly active: number;
}

export interface ClusterLoad {
  readonly cluster: string;
  readonly localities: readonly LocalityLoad[];
  /** Deliberately not sent. */
  readonly dropped: number;
  /** The time that this report is about. */
  readonly intervalMs: number;
}

/** One resource of one stream, as the server sees it. Nothing in it is copied. */
export interface ResourceConfig {
  readonly type: TypeUrl;
  readonly name: string;
  /**
   * `synced`: what the view holds was sent and acknowledged. `stale`: sent, no answer yet. `not-sent`: it waits, or the view
   * has none. `error`: the client refused it.
   */
  readonly status: 'synced' | 'stale' | 'not-sent' | 'error';
  /** What the view holds now, also where the client refused it; undefined if it has none. A secret is without its bytes. */
  readonly resource: Resource | undefined;
  /** Version the client acknowledged last; empty if none is known. */
  readonly held: string;
  /** With `error`: the client's words. */
  readonly reason?: string;
}

/** What one stream describes of itself. */
export interface ClientConfig {
  readonly client: ClientInfo;
  readonly variant: 'sotw' | 'delta';
  readonly aggregated: boolean;
  readonly resources: readonly ResourceConfig[];
}
