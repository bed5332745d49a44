// The contract of registries and object stores. One conformance suite runs over every implementation.
// `run` does all I/O, never rejects for a failing registry (it retries and emits a degraded snapshot instead),
// and returns soon after `signal` aborts, leaving nothing open.
import type { ObjectDocument, ObjectSnapshot, RegistrySnapshot } from './snapshot.ts';

export interface RegistrySource {
  readonly name: string;
  readonly kind: RegistrySnapshot['kind'];
  run(signal: AbortSignal, emit: (snapshot: RegistrySnapshot) => void): Promise<void>;
}

export interface ObjectSource {
  readonly name: string;
  run(signal: AbortSignal, emit: (snapshot: ObjectSnapshot) => void): Promise<void>;
}

/** An object source that can also be written to; `apply` stores here. Writes reject with AppError. */
export interface ObjectStore extends ObjectSource {
  /** Stores one document atomically under its path, replacing what is there. */
  put(document: ObjectDocument): Promise<void>;
  remove(path: string): Promise<void>;
}
