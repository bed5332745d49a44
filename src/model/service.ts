// A service as everything downstream sees it: objects of all languages merged, defaults resolved.
// Invariant: no Service holds instances; an endpoint change leaves it the same object.
import type { ServiceId } from './names.ts';
import type { Provenance } from './provenance.ts';

export type Protocol = 'http' | 'http2' | 'grpc' | 'tcp';

/** Instances whose metadata holds every pair. */
export interface Subset {
  readonly name: string;
  readonly where: Readonly<Record<string, string>>;
  readonly provenance: Provenance;
}

/** What a request is hashed on for ring-hash and maglev, first that yields a value wins. */
export type HashOn =
  | { readonly header: string }
  | { readonly cookie: string; readonly ttlMs?: number; readonly path?: string }
  | { readonly query: string }
  | { readonly sourceIp: true };

export interface LoadBalancer {
  readonly policy: 'round-robin' | 'random' | 'least-request' | 'ring-hash' | 'maglev';
  readonly hashOn: readonly HashOn[];
}

export interface ActiveHealthCheck {
  readonly path: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly healthyThreshold: number;
  readonly unhealthyThreshold: number;
}

/** Passive ejection; every value is the effective one. */
export interface OutlierDetection {
  readonly consecutiveLocalOriginFailures: number;
  readonly consecutiveGatewayFailures: number;
  /** 0: not used. */
  readonly consecutive5xx: number;
  readonly intervalMs: number;
  readonly baseEjectionTimeMs: number;
  readonly maxEjectionPercent: number;
}

export interface Limits {
  readonly connections?: number;
  readonly pending?: number;
  readonly requests?: number;
  readonly retries?: number;
  readonly retryBudgetPercent: number;
  readonly retryBudgetMinimum: number;
}

export interface Service {
  readonly id: ServiceId;
  readonly name: string;
  readonly namespace: string;
  /** Names beside the generated ones that requests may use. Lower case, without port. */
  readonly hosts: readonly string[];
  /** What routes and `Host: name:port` name; the registry's port is dialled. */
  readonly port?: number;
  /** Fills a missing instance port. */
  readonly targetPort?: number;
  readonly protocol: Protocol;
  /** Which registry service, and which of its instances, are this service. `sources` empty: any. */
  readonly from: {
    readonly service: string;
    readonly metadata: Readonly<Record<string, string>>;
    readonly sources: readonly string[];
  };
  readonly subsets: readonly Subset[];
  readonly loadBalancer: LoadBalancer;
  readonly connectTimeoutMs: number;
  /** Default for its routes; undefined: 15 s as Envoy. */
  readonly requestTimeoutMs?: number;
  readonly idleTimeoutMs?: number;
  readonly active?: ActiveHealthCheck;
  /** Undefined: switched off by the user. */
  readonly outlier?: OutlierDetection;
  /** Envoy's healthy_panic_threshold. */
  readonly panicPercent: number;
  readonly limits: Limits;
  /**
   * `mesh`: as the Mesh says; `strict` and `permissive`: so, whatever the Mesh says; `none`: dialled in plaintext at its own
   * address whatever the Mesh says. What holds in the end: `effectiveMtls`.
   */
  readonly tls: 'mesh' | 'strict' | 'permissive' | 'none';
  /** Every object that took part; empty for a service known from a registry alone. */
  readonly provenance: readonly Provenance[];
}
