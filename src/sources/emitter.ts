// The last gate of a source: lets a snapshot through only if it says something new.
// Invariant: two snapshots with equal content are never emitted one after the other; a new revision alone is not news.
import type { ObjectSnapshot, RegistrySnapshot } from '../model/snapshot.ts';
import { canonicalJson } from '../util/hash.ts';

/** Compares services by identity: their maker shares what did not change. */
export function createRegistryEmitter(
  emit: (snapshot: RegistrySnapshot) => void,
): (snapshot: RegistrySnapshot) => void {
  let last: RegistrySnapshot | undefined;
  return (snapshot) => {
    if (
      last !== undefined &&
      last.services === snapshot.services &&
      last.complete === snapshot.complete &&
      canonicalJson([last.degraded, last.problems]) === canonicalJson([snapshot.degraded, snapshot.problems])
    )
      return;
    last = snapshot;
    emit(snapshot);
  };
}

/** The same for documents, compared by identity. */
export function createObjectEmitter(emit: (snapshot: ObjectSnapshot) => void): (snapshot: ObjectSnapshot) => void {
  let last: ObjectSnapshot | undefined;
  return (snapshot) => {
    if (
      last !== undefined &&
      last.documents === snapshot.documents &&
      last.complete === snapshot.complete &&
      canonicalJson(last.degraded) === canonicalJson(snapshot.degraded)
    )
      return;
    last = snapshot;
    emit(snapshot);
  };
}
