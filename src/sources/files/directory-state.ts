// What the state of a directory means for those who use it.
import type { Degraded } from '../../model/snapshot.ts';
import type { DirectoryState } from './directory-mirror.ts';

/** Undefined when the directory and every file in it could be read. */
export function degradedOf(root: string, state: DirectoryState): Degraded | undefined {
  if (state.missing !== undefined)
    return { kind: 'unreachable', reason: `directory "${root}" cannot be read: ${state.missing}` };
  const [first, ...rest] = [...state.unreadable].sort(([a], [b]) => (a < b ? -1 : 1));
  if (first === undefined) return undefined;
  const more = rest.length === 0 ? '' : ` (and ${rest.length} more)`;
  return { kind: 'partial', reason: `file "${first[0]}" cannot be read: ${first[1]}${more}` };
}
