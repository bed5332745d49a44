// Objects as YAML files in a directory, read and written. Parsed in model, never here.
// Files that hold instance lists are left out (document-shape.ts).
// Invariant: a write is seen whole or not at all, by us and by every other reader.
import { join } from 'node:path';
import type { ObjectDocument, ObjectSnapshot } from '../../model/snapshot.ts';
import type { ObjectStore } from '../../model/source.ts';
import { createObjectEmitter } from '../emitter.ts';
import type { SourceDeps } from '../source-deps.ts';
import { createDirectoryMirror, type DirectoryState } from './directory-mirror.ts';
import { degradedOf } from './directory-state.ts';
import { fileShape } from './document-shape.ts';
import { createFileWriter } from './file-writer.ts';

export interface FileObjectsOptions {
  readonly name: string;
  readonly directory: string;
}

export function createFileObjects(deps: SourceDeps, options: FileObjectsOptions): ObjectStore {
  const mirror = createDirectoryMirror(deps, { directory: options.directory });
  const writer = createFileWriter(mirror.root, deps.random);
  return {
    name: options.name,
    run(signal, emit) {
      const pass = createObjectEmitter(emit);
      const next = createDocuments(options.directory);
      let revision = 0;
      return mirror.run(signal, (state) => {
        const degraded = degradedOf(mirror.root, state);
        const snapshot: ObjectSnapshot = {
          source: options.name,
          revision: String(++revision),
          complete: state.complete,
          documents: next(state),
          ...(degraded === undefined ? {} : { degraded }),
        };
        pass(snapshot);
      });
    },
    async put(document) {
      await writer.put(document.path, document.text);
      mirror.trust(document.path);
    },
    async remove(path) {
      await writer.remove(path);
      mirror.trust(path);
    },
  };
}

/** Texts to documents, sharing what did not change. */
function createDocuments(directory: string): (state: DirectoryState) => ReadonlyMap<string, ObjectDocument> {
  let documents: ReadonlyMap<string, ObjectDocument> = new Map();
  return ({ texts }) => {
    const next = new Map<string, ObjectDocument>();
    for (const path of [...texts.keys()].sort()) {
      const text = texts.get(path) ?? '';
      const old = documents.get(path);
      if (old?.text === text) next.set(path, old);
      else if (fileShape(text) !== 'instances') next.set(path, { path, text, shown: join(directory, path) });
    }
    const same = next.size === documents.size && [...next].every(([path, one]) => documents.get(path) === one);
    if (!same) documents = next;
    return documents;
  };
}
