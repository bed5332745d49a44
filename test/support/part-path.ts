// The path of a real part, or an error that says where it was looked for.
import { findPart, type PartName, parts } from '../../scripts/parts.mjs';

/** Throws when the part is not on this machine; tests that may be skipped stand in `describeWith`. */
export function partPath(name: PartName): string {
  const found = findPart(name);
  if (found.path === undefined)
    throw new Error(`${parts[name].title} is needed: ${found.missing}; looked at ${found.tried.join(', ')}`);
  return found.path;
}
