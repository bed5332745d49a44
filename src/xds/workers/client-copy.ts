// What a client claims, as it arrives in another thread: copying between threads gives every object the usual prototype.
// It must not know what the claims mean. Invariant: as decoded, metadata objects have no prototype, so a claim cannot be
// mistaken for one of the language's own properties.
import type { ClientInfo } from '../contract.ts';

/** Takes the prototypes away again; changes the copy it is given. */
export function restoreClient(copy: ClientInfo): ClientInfo {
  strip(copy.metadata);
  return copy;
}

/** Depth is bounded: the decoder refuses what is nested deeper. */
function strip(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) Object.setPrototypeOf(value, null);
  for (const child of Object.values(value)) strip(child);
}
