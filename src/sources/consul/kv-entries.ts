// Entries of /v1/kv/PREFIX?recurse into documents. Pure; it must not know YAML.
// Paths are relative to the prefix; values are base64 in Consul's JSON.
import type { ObjectDocument } from '../../model/snapshot.ts';
import { isRecord, optionalNumber, optionalText, requiredText, ShapeError } from './json-reader.ts';

/** A key that is no document: it keeps the prefix in being, so that an empty one can be waited on. */
export const sentinel = '.chancery';

/**
 * Folder markers (keys that end in `/`) and the sentinel are left out; an equal document is the same object as before.
 * Throws ShapeError when an entry makes no sense: then nothing of the answer is believed.
 */
export function parseEntries(
  body: readonly unknown[],
  prefix: string,
  before: ReadonlyMap<string, ObjectDocument>,
): ReadonlyMap<string, ObjectDocument> {
  const entries = new Map<string, ObjectDocument>();
  for (const row of body) {
    if (!isRecord(row)) throw new ShapeError('an entry is not an object');
    const key = requiredText(row, 'Key');
    if (!key.startsWith(prefix)) throw new ShapeError(`key "${key.slice(0, 80)}" is not below the prefix`);
    const path = key.slice(prefix.length);
    if (path === '' || path === sentinel || path.endsWith('/')) continue;
    const text = Buffer.from(optionalText(row, 'Value'), 'base64').toString('utf8');
    const created = optionalNumber(row, 'CreateIndex', 0);
    const old = before.get(path);
    const document = old?.text === text && old.created === created ? old : undefined;
    entries.set(path, document ?? { path, text, created });
  }
  return entries;
}
