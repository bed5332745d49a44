// What a client acknowledged of one type: a set shared with other streams (a message's own map), and this stream's
// exceptions to it. It must not know subscriptions or messages. Invariant: the shared set is never changed; the exceptions
// are few after a complete answer, so a stream that is like all others costs nothing of its own.
import type { Resource } from '../resources/resource.ts';

export interface Holdings {
  base: ReadonlyMap<string, Resource>;
  /** name -> content instead of the base's; undefined: not held. Made when first needed. */
  exceptions: Map<string, Resource | undefined> | undefined;
  size: number;
}

const nothing: ReadonlyMap<string, Resource> = new Map();

export function createHoldings(): Holdings {
  return { base: nothing, exceptions: undefined, size: 0 };
}

/** The content of the name that the client acknowledged last; undefined if none. */
export function held(holdings: Holdings, name: string): Resource | undefined {
  return holdings.exceptions?.has(name) === true ? holdings.exceptions.get(name) : holdings.base.get(name);
}

/** The client has this content from now on. */
export function hold(holdings: Holdings, resource: Resource): void {
  const { name } = resource;
  if (held(holdings, name) === undefined) holdings.size++;
  if (holdings.base.get(name) === resource) holdings.exceptions?.delete(name);
  else except(holdings).set(name, resource);
}

/** The client has nothing of that name from now on. */
export function release(holdings: Holdings, name: string): void {
  if (held(holdings, name) === undefined) return;
  holdings.size--;
  if (holdings.base.has(name)) except(holdings).set(name, undefined);
  else holdings.exceptions?.delete(name);
}

/** The client has exactly this from now on. The map is kept, so it must never change. */
export function holdExactly(holdings: Holdings, resources: ReadonlyMap<string, Resource>): void {
  holdings.base = resources;
  holdings.exceptions = undefined;
  holdings.size = resources.size;
}

/** Everything the client has, in no order. Nothing may be held or released meanwhile. */
export function* heldResources({ base, exceptions }: Holdings): Iterable<Resource> {
  if (exceptions === undefined || exceptions.size === 0) {
    yield* base.values();
    return;
  }
  for (const [name, resource] of base) if (!exceptions.has(name)) yield resource;
  for (const resource of exceptions.values()) if (resource !== undefined) yield resource;
}

function except(holdings: Holdings): Map<string, Resource | undefined> {
  holdings.exceptions ??= new Map();
  return holdings.exceptions;
}
