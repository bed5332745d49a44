// Whether everything that is named exists: what Envoy would wait for in vain, or refuse, is found before it is sent.
// It must not know what made the resources. Invariant: pure.
import { isIP } from 'node:net';
import type { Resource, ResourceRef } from './resource.ts';
import { shortNames } from './type-urls.ts';

export interface MissingRef {
  readonly from: Resource;
  readonly to: ResourceRef;
}

/** The references of `resources` for which `has` says no. */
export function missingRefs(resources: Iterable<Resource>, has: (ref: ResourceRef) => boolean): readonly MissingRef[] {
  const missing: MissingRef[] = [];
  for (const from of resources) for (const to of from.deps) if (!has(to)) missing.push({ from, to });
  return missing;
}

export function missingText({ from, to }: MissingRef): string {
  return `${shortNames[from.type]} "${from.name}" names ${shortNames[to.type]} "${to.name}", which does not exist`;
}

/** Wildcard addresses take a port on every address. */
const everywhere = new Set(['0.0.0.0', '::']);

/** One text for each IP address: `0:0:0:0:0:0:0:1` is `::1`, `::ffff:127.0.0.1` is 127.0.0.1. */
function canonicalAddress(address: string): string {
  const version = isIP(address);
  if (version !== 6) return address;
  const text = new URL(`http://[${address.replace(/%.*$/, '')}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(text);
  if (mapped === null) return text;
  const bits = mapped.slice(1).flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]);
  return bits.join('.');
}

/** The items whose address and port one before them already has; the earlier one is given too. */
export function portClashes<T extends { readonly address: string; readonly port: number }>(
  items: readonly T[],
): ReadonlyMap<T, T> {
  const clashes = new Map<T, T>();
  const kept: { readonly item: T; readonly address: string }[] = [];
  for (const item of items) {
    const address = canonicalAddress(item.address);
    const first = kept.find(
      (other) =>
        other.item.port === item.port &&
        (other.address === address || everywhere.has(other.address) || everywhere.has(address)),
    );
    if (first === undefined) kept.push({ item, address });
    else clashes.set(item, first.item);
  }
  return clashes;
}
