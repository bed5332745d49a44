// Where a new object is stored: a path made from what it is called, that nothing else has.
// Pure. Invariant: at most 200 characters of a-z, 0-9, dot and dash, which every store and file system takes.
import type { MeshObject } from '../model/parse.ts';
import { contentHash } from '../util/hash.ts';

const maxLength = 150;

/** `taken`: whether something lies under a path already. Different objects may read alike as paths: those are numbered. */
export function objectPath(object: MeshObject, taken: (path: string) => boolean): string {
  const whole = [object.group === 'chancery' ? '' : object.group, object.kind, object.namespace, object.name]
    .filter((part) => part !== '')
    .join('-')
    .toLowerCase()
    .replaceAll(/[^a-z0-9.-]/g, '-');
  const stem =
    whole.length <= maxLength
      ? whole
      : `${whole.slice(0, maxLength)}-${contentHash(object.key).toLowerCase().replaceAll('_', '-')}`;
  let path = `${stem}.yaml`;
  for (let count = 2; taken(path); count++) path = `${stem}-${count}.yaml`;
  return path;
}
