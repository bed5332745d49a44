// Where the bytes of resources lie so that every thread reads them without a copy of its own.
// It must not know views or workers. Invariant: bytes are written once, before any other thread hears of them; memory is
// freed when no thread references it, so a resource keeps at most its own segment.
import type { Resource } from '../../resources/resource.ts';

export interface Place {
  readonly segment: SharedArrayBuffer;
  readonly offset: number;
  readonly length: number;
}

export interface ByteSegments {
  /** Copies what has no place yet, all of it together. */
  place(resources: readonly Resource[]): void;
  /** Of a resource that was placed. */
  placeOf(resource: Resource): Place;
}

/** One live resource keeps a segment: small ones bound what it can hold back, and a buffer for each costs a kilobyte. */
const segmentBytes = 64 * 1024;

export function createByteSegments(): ByteSegments {
  const places = new WeakMap<Resource, Place>();

  /** Copies resources that fit into one segment, or one that is larger than any. */
  function fill(resources: readonly Resource[], size: number): void {
    const segment = new SharedArrayBuffer(size);
    const target = new Uint8Array(segment);
    let offset = 0;
    for (const resource of resources) {
      const { bytes } = resource;
      target.set(bytes, offset);
      places.set(resource, { segment, offset, length: bytes.length });
      offset += bytes.length;
    }
  }

  return {
    place(resources) {
      let batch: Resource[] = [];
      let size = 0;
      for (const resource of new Set(resources)) {
        if (places.has(resource)) continue;
        if (batch.length > 0 && size + resource.bytes.length > segmentBytes) {
          fill(batch, size);
          batch = [];
          size = 0;
        }
        batch.push(resource);
        size += resource.bytes.length;
      }
      if (batch.length > 0) fill(batch, size);
    },
    placeOf(resource) {
      const place = places.get(resource);
      if (place === undefined) throw new Error(`the bytes of ${resource.name} were not placed`);
      return place;
    },
  };
}
