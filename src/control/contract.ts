// What control offers to admin, cli and demo: read views, one-shot writes, and the places the xDS server plugs into.
import type { Problem } from '../model/problem.ts';
import type { Provenance } from '../model/provenance.ts';
import type { SourceState, World } from '../model/world.ts';
import type { ResourceRef, View } from '../resources/resource.ts';
import type { ClientInfo, Opened, ViewProvider, XdsEvent } from '../xds/contract.ts';
import type { IssuedCertificate } from './secrets.ts';

export interface TypeStatus {
  /** `none`: not subscribed. `pending`: sent, no answer yet. */
  readonly state: 'none' | 'pending' | 'acked' | 'rejected';
  /** Names it is subscribed to; a wildcard names none. */
  readonly resources: number;
  readonly pushes: number;
  readonly rejections: number;
  /** Milliseconds from send to ACK of the last acknowledged push. */
  readonly lastAckMs?: number;
}

export interface ProxyStatus {
  readonly node: string;
  readonly role: 'gateway' | 'sidecar' | 'proxyless';
  /** Service of a sidecar or gRPC client, Gateway name of a gateway. */
  readonly service: string;
  readonly state: 'synced' | 'pending' | 'rejecting' | 'offline';
  readonly envoyVersion: string;
  /** What it calls itself where it is no Envoy, e.g. `gRPC Go`; `envoyVersion` is then its version. */
  readonly userAgent?: string;
  readonly variant: 'sotw' | 'delta';
  readonly peer: string;
  readonly view: string;
  /** World revision that every subscribed type has acknowledged. */
  readonly revision: number;
  /** Wall-clock milliseconds of the last push it answered, or of its going offline. */
  readonly sinceMs: number;
  /** By short type name: CDS, EDS, LDS, RDS, SDS, ... */
  readonly types: Readonly<Record<string, TypeStatus>>;
  /** One line for people: why it is not synced, what it lacks. */
  readonly note: string;
  /** Address of its Prometheus listener, as its bootstrap claims. */
  readonly stats?: string;
  /** What it proved itself with: `chancery revoke KIND ID` takes it back. */
  readonly credential?: { readonly kind: string; readonly id: string };
  /** Wall-clock milliseconds at which the certificate that it shows others ends. */
  readonly certificateEndsMs?: number;
  /** Wall-clock milliseconds at which its own credential ends; there only while less than a quarter of its life is left. */
  readonly credentialEndsMs?: number;
}

/** One refused push, joined to what caused it. */
export interface Rejection {
  readonly node: string;
  readonly type: string;
  /** The proxy's own words. */
  readonly message: string;
  readonly atMs: number;
  readonly resources: readonly { readonly name: string; readonly provenance: readonly Provenance[] }[];
}

/** A resource that proxies refuse now. */
export interface RefusalStatus {
  /** Short type name. */
  readonly type: string;
  readonly name: string;
  /** The words of one of the proxies. */
  readonly message: string;
  /** Wall-clock milliseconds of the first refusal of this content. */
  readonly sinceMs: number;
  /** How many refuse it. */
  readonly proxies: number;
  /** Some of them. */
  readonly nodes: readonly string[];
  /** The objects it was made from. */
  readonly provenance: readonly Provenance[];
}

export interface ControlStatus {
  readonly revision: number;
  readonly ready: boolean;
  /** Why not ready; empty when ready. */
  readonly waitingFor: readonly string[];
  readonly sources: readonly SourceState[];
  readonly services: readonly {
    readonly id: string;
    readonly healthy: number;
    readonly warning: number;
    readonly critical: number;
    /** Instances that have a sidecar; absent where no certificates are issued. */
    readonly sidecars?: number;
    /** The mode of its own; absent where the Mesh's holds, and where no certificates are issued. */
    readonly tls?: 'strict' | 'permissive' | 'none';
  }[];
  readonly proxies: readonly ProxyStatus[];
  /** Newest first, bounded. */
  readonly rejections: readonly Rejection[];
  /** What proxies refuse now, oldest first, bounded. */
  readonly refusals: readonly RefusalStatus[];
  readonly problems: readonly Problem[];
  /** Sources held at last good by the shrink guard. */
  readonly held: readonly { readonly source: string; readonly reason: string; readonly untilMs: number }[];
  /** Where certificates are issued: instances that have no sidecar, but for those of services with `tls: none`. */
  readonly withoutSidecar?: WithoutSidecar;
  /** When the first certificate of a connected proxy ends, were none renewed any more; absent where there is none. */
  readonly certificatesHoldMs?: number;
}

/** `withheld` get no requests now; `plaintext` are reached, and would get none under `strict`. */
export interface WithoutSidecar {
  /** Of the Mesh. */
  readonly mtls: 'strict' | 'permissive' | 'off';
  readonly withheld: number;
  readonly plaintext: number;
  /** Some of them, `service/instance`, the withheld first. */
  readonly some: readonly string[];
}

/** Requests that proxies sent, as they report it. */
export interface LoadStatus {
  /** Whose last report is in the rates. */
  readonly proxies: number;
  /** Rates over the last report of each proxy. */
  readonly requestsPerSecond: number;
  readonly failedPerSecond: number;
  readonly droppedPerSecond: number;
  /** In progress at the time of the reports. */
  readonly active: number;
  /** Since the first report of the cluster to this process. */
  readonly total: {
    readonly requests: number;
    readonly succeeded: number;
    readonly failed: number;
    readonly dropped: number;
  };
}

export interface ClusterLoadStatus extends LoadStatus {
  readonly cluster: string;
  /** By the locality of the instances, not of the proxies. */
  readonly localities: readonly (LoadStatus & {
    readonly region: string;
    readonly zone: string;
    readonly subZone: string;
  })[];
}

/** How far one proxy is with one resource. */
export interface ResourceState {
  readonly type: string;
  readonly name: string;
  /** `synced`: acknowledged. `stale`: sent, no answer yet. `not-sent`: it waits. `error`: refused. */
  readonly status: 'synced' | 'stale' | 'not-sent' | 'error';
  /** Version that the proxy is to have; absent where it is to have none. */
  readonly version?: string;
  /** Version that it acknowledged last; absent where none is known. */
  readonly held?: string;
  /** Why it refused the version, in its words. */
  readonly reason?: string;
}

/** What happened, for `watch`, the demo and the console. */
export type ControlEvent =
  | { readonly kind: 'world'; readonly revision: number; readonly atMs: number; readonly changes: readonly string[] }
  | { readonly kind: 'problem'; readonly problem: Problem }
  | { readonly kind: 'proxy'; readonly node: string; readonly state: ProxyStatus['state']; readonly atMs: number }
  | { readonly kind: 'acked'; readonly node: string; readonly revision: number; readonly afterMs: number }
  | { readonly kind: 'rejected'; readonly rejection: Rejection }
  | { readonly kind: 'source'; readonly state: SourceState };

/** One object as `get` shows it. */
export interface StoredObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** The YAML document as written. */
  readonly text: string;
  readonly provenance: Provenance;
}

export interface ApplyResult {
  /** One line an object, in the order given. */
  readonly objects: readonly {
    readonly object: string;
    readonly result: 'created' | 'changed' | 'unchanged' | 'refused' | 'deleted';
  }[];
  readonly problems: readonly Problem[];
}

export interface Control extends ViewProvider {
  /** Runs sources and pipeline until aborted. */
  run(signal: AbortSignal): Promise<void>;
  /** At once. */
  open(client: ClientInfo, onChange: (changed: readonly ResourceRef[]) => void): Opened;
  status(): ControlStatus;
  /** Undefined until every source has reported once. */
  world(): World | undefined;
  /** The view of a connected proxy; undefined for a node not connected. */
  viewOf(node: string): View | undefined;
  /** What proxies report of the clusters' load, names sorted; empty where none reports. */
  load(): readonly ClusterLoadStatus[];
  /** The certificates that connected proxies show, by node; empty where none are issued. */
  certificates(): readonly (IssuedCertificate & { readonly node: string })[];
  /** Takes what the xDS server tells. */
  xdsEvent(event: XdsEvent): void;
  /** Calls `listener` for every event from now on; returns the way to stop. */
  subscribe(listener: (event: ControlEvent) => void): () => void;
  objects(): readonly StoredObject[];
  /** Validates and stores the objects of a YAML text. `atomic`: all or none; else every good one is stored. */
  apply(
    text: string,
    options: { readonly file: string; readonly atomic: boolean; readonly dryRun: boolean },
  ): Promise<ApplyResult>;
  remove(kind: string, namespace: string, name: string): Promise<ApplyResult>;
}
