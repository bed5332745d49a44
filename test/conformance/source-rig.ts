// What the conformance suites need of a registry or object store to test a source over it. One rig a registry;
// the suites (source-registry-suite.ts, source-objects-suite.ts) know only this.
// Traits say what the registry can express; a test that needs more is not registered for it (no skip hides a failure).
import type { ObjectStore, RegistrySource } from '../../src/model/source.ts';
import type { SourceDeps } from '../../src/sources/source-deps.ts';
import { silentLogger } from '../../src/util/log.ts';
import { noMetrics } from '../../src/util/metrics.ts';
import { createSeededRandom } from '../../src/util/random.ts';
import { createSystemClock } from '../../src/util/system-clock.ts';
import type { PartName } from '../support/real-parts.ts';

/** An instance as the suite wants it registered. Registering an id again replaces it. */
export interface RigInstance {
  readonly service: string;
  readonly id: string;
  /** An IPv4 address. */
  readonly address: string;
  readonly port: number;
  /** Only with the `health` trait; absent: healthy. */
  readonly health?: 'healthy' | 'warning' | 'critical';
  /** Only with the `weights` trait; absent: 1. */
  readonly weight?: number;
  /** Only with the `metadata` trait. */
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface RegistryRig {
  /** A new, inert source that reads this registry. Tests run and abort several one after another. */
  source(): RegistrySource;
  register(instance: RigInstance): Promise<void>;
  deregister(service: string, id: string): Promise<void>;
  /** Makes the registry unreachable, as a crash would. Only with `outage`. */
  down(): Promise<void>;
  /** Brings it back with its data. Only with `outage`. */
  up(): Promise<void>;
  /** Brings it back empty, its index or revision lower than before. Only with `reset`. */
  upEmpty?(): Promise<void>;
  /** Releases everything. */
  stop(): Promise<void>;
}

export interface RegistryTraits {
  readonly health: boolean;
  readonly weights: boolean;
  readonly metadata: boolean;
  /** It can be down: `down` and `up` work. */
  readonly outage: boolean;
  /** It can come back empty with a lower index: `upEmpty` works. */
  readonly reset: boolean;
  /** After an outage its source must call the first snapshots `suspect` (or `partial`) until confirmed. */
  readonly suspectAfterOutage: boolean;
}

export interface RegistryRigSetup {
  /** As the tests are named, e.g. `real Consul`. */
  readonly name: string;
  readonly parts: readonly PartName[];
  readonly traits: RegistryTraits;
  /** A fresh, empty registry that is up. */
  start(): Promise<RegistryRig>;
  /** How long a change may take to be seen; default 10 s. It is a deadline, not a measure. */
  readonly deadlineMs?: number;
}

export interface ObjectRig {
  /** A new, inert store over this place. */
  store(): ObjectStore;
  /** Writes a document behind the store's back, as another program would. `path` is as the store's documents have it. */
  write(path: string, text: string): Promise<void>;
  erase(path: string): Promise<void>;
  /** Only with `outage`. */
  down(): Promise<void>;
  up(): Promise<void>;
  stop(): Promise<void>;
}

export interface ObjectRigSetup {
  readonly name: string;
  readonly parts: readonly PartName[];
  readonly traits: {
    readonly outage: boolean;
    /** Documents carry `created`, rising with the order of their creation. */
    readonly created: boolean;
  };
  start(): Promise<ObjectRig>;
  readonly deadlineMs?: number;
}

/** Real time, seeded jitter, no output. */
export function rigDeps(): SourceDeps {
  return { clock: createSystemClock(), random: createSeededRandom(7), log: silentLogger, metrics: noMetrics };
}
