// One running instance of a service, in the shape all registries are brought to.

export type Health = 'healthy' | 'warning' | 'critical';

export interface Locality {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
}

/** The sidecar that stands before an instance, if the registry holds one. */
export interface InstanceProxy {
  /** Where others dial: an IP or a host name. */
  readonly address: string;
  readonly port: number;
  /** Where the sidecar reaches the local application. */
  readonly localAddress: string;
  readonly localPort: number;
}

export interface Instance {
  /** Unique over all sources: source, partition, namespace, peer, node and id joined by `/` (same id on two nodes is two instances). */
  readonly key: string;
  /** The registry's own id, e.g. `web-1`; what `bootstrap --instance` names. */
  readonly id: string;
  /** IP or host name; never empty. */
  readonly address: string;
  /** 0 when the registry has none. */
  readonly port: number;
  /** Worst of node and service checks. */
  readonly health: Health;
  /** 1..128, the weight of its present health (a warning weight applied). */
  readonly weight: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tags: readonly string[];
  readonly locality?: Locality;
  readonly proxy?: InstanceProxy;
}
