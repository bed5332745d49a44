// An object store held in memory, for tests and for objects given on the command line.
// It does no I/O. Invariant: an unchanged document is the same object in every snapshot; equal content is told once.
import type { Degraded, ObjectDocument, ObjectSnapshot } from '../../model/snapshot.ts';
import type { ObjectStore } from '../../model/source.ts';
import { AppError } from '../../util/errors.ts';
import type { SourceDeps } from '../source-deps.ts';

export interface MemoryObjectsOptions {
  readonly name: string;
  /** Texts by path. */
  readonly documents?: Readonly<Record<string, string>>;
}

export interface MemoryObjects extends ObjectStore {
  /** As if the place could not be reached: writes reject, what is known stays. */
  down(reason?: string): void;
  up(): void;
}

export function createMemoryObjects(_deps: SourceDeps, options: MemoryObjectsOptions): MemoryObjects {
  const { name } = options;
  const listeners = new Set<(snapshot: ObjectSnapshot) => void>();
  let documents: ReadonlyMap<string, ObjectDocument> = new Map();
  let created = 0;
  let revision = 0;
  let degraded: Degraded | undefined;
  for (const [path, text] of Object.entries(options.documents ?? {})) store(path, text);

  function store(path: string, text: string): boolean {
    const before = documents.get(path);
    if (before?.text === text) return false;
    const document: ObjectDocument = { path, text, created: before?.created ?? ++created };
    documents = new Map(documents).set(path, document);
    return true;
  }

  function snapshot(): ObjectSnapshot {
    return {
      source: name,
      revision: String(revision),
      complete: true,
      ...(degraded === undefined ? {} : { degraded }),
      documents,
    };
  }

  function publish(): void {
    revision++;
    const now = snapshot();
    for (const listener of listeners) listener(now);
  }

  function reachable(): void {
    if (degraded !== undefined) throw new AppError('CH1301', `"${name}": ${degraded.reason}`, { retryable: true });
  }

  return {
    name,
    async put(document) {
      reachable();
      if (store(document.path, document.text)) publish();
    },
    async remove(path) {
      reachable();
      if (!documents.has(path)) return;
      documents = new Map([...documents].filter(([other]) => other !== path));
      publish();
    },
    down(reason = 'the object store is down') {
      if (degraded?.reason === reason) return;
      degraded = { kind: 'unreachable', reason };
      publish();
    },
    up() {
      if (degraded === undefined) return;
      degraded = undefined;
      publish();
    },
    run(signal, emit) {
      if (signal.aborted) return Promise.resolve();
      listeners.add(emit);
      emit(snapshot());
      return new Promise((resolve) => {
        signal.addEventListener(
          'abort',
          () => {
            listeners.delete(emit);
            resolve();
          },
          { once: true },
        );
      });
    },
  };
}
