// What a row of /v1/health/service says of anything that can be dialled, instance or sidecar.
// Types only. It must not know how the two are told apart.
import type { Instance } from '../../model/instance.ts';
import type { Provenance } from '../../model/provenance.ts';
import type { Check } from './health.ts';

export interface CommonParts {
  /** Key of the node: source, datacenter, partition, namespace, peer and node name joined by `/`. */
  readonly node: string;
  readonly id: string;
  readonly address: string;
  /** 0: none. */
  readonly port: number;
  readonly checks: readonly Check[];
  readonly at: Provenance;
}

/** An instance before its sidecar is known; its key is that of the node and its id. */
export interface PlainInstance {
  readonly node: string;
  readonly instance: Instance;
}
