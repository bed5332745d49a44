// Objects as `get`, `apply` and `delete` see them: reads over all object sources, writes to the one store.
// Validated by the same parser as files; nothing is written that would not be accepted.
// Invariant: an object has one home; one that lives in a read-only source is refused, never shadowed. Writes take turns:
// each is made from what the ones before it left.
import { removeObject, replaceObject } from '../model/edit.ts';
import { type MeshObject, parseDocument } from '../model/parse.ts';
import { createProblem, type Problem } from '../model/problem.ts';
import type { ObjectDocument, ObjectSnapshot } from '../model/snapshot.ts';
import type { ObjectStore } from '../model/source.ts';
import type { World } from '../model/world.ts';
import { AppError } from '../util/errors.ts';
import { createTurns } from '../util/turns.ts';
import type { ApplyResult, StoredObject } from './contract.ts';
import { objectPath } from './object-path.ts';

export interface ObjectsDeps {
  readonly store: ObjectStore | undefined;
  readonly snapshots: () => readonly ObjectSnapshot[];
  /** Evaluates a hypothetical input, for the problems it would have. */
  readonly evaluate: (objects: readonly ObjectSnapshot[]) => World | undefined;
  /** Resolves when the store's snapshot satisfies `seen`, or after a deadline. */
  readonly settled: (seen: (snapshot: ObjectSnapshot) => boolean) => Promise<void>;
}

export interface ApplyOptions {
  readonly file: string;
  readonly atomic: boolean;
  readonly dryRun: boolean;
}

export interface Objects {
  list(): readonly StoredObject[];
  apply(text: string, options: ApplyOptions): Promise<ApplyResult>;
  remove(kind: string, namespace: string, name: string): Promise<ApplyResult>;
}

interface Home {
  readonly source: string;
  readonly document: ObjectDocument;
  readonly object: MeshObject;
}

/** A store waits for its disk or its peers with each write. */
const writesAtOnce = 16;

type Line = ApplyResult['objects'][number];

const label = (object: MeshObject): string => `${object.kind} ${object.namespace}/${object.name}`;

export function createObjects(deps: ObjectsDeps): Objects {
  const inTurn = createTurns();

  function* homes(): Generator<Home> {
    for (const snapshot of deps.snapshots()) {
      for (const document of snapshot.documents.values()) {
        for (const object of parseDocument(document, snapshot.source).objects)
          yield { source: snapshot.source, document, object };
      }
    }
  }

  function writable(): ObjectStore {
    if (deps.store === undefined)
      throw new AppError('CH1390', 'no object store is configured, so objects cannot be written');
    return deps.store;
  }

  /** The store's documents as they would be after the writes, with all other sources as they are. */
  function hypothetical(
    store: ObjectStore,
    writes: ReadonlyMap<string, ObjectDocument | undefined>,
  ): readonly ObjectSnapshot[] {
    return deps.snapshots().map((snapshot) => {
      if (snapshot.source !== store.name) return snapshot;
      const documents = new Map(snapshot.documents);
      for (const [path, document] of writes) {
        if (document === undefined) documents.delete(path);
        else documents.set(path, document);
      }
      return { ...snapshot, documents };
    });
  }

  /** Writes all; when one fails and `atomic`, what was written is put back as far as the store allows. */
  async function write(
    store: ObjectStore,
    writes: ReadonlyMap<string, ObjectDocument | undefined>,
    atomic: boolean,
  ): Promise<void> {
    const before = deps.snapshots().find(({ source }) => source === store.name)?.documents;
    const done: string[] = [];
    const all = [...writes];
    for (let at = 0; at < all.length; at += writesAtOnce) {
      const group = all.slice(at, at + writesAtOnce);
      const results = await Promise.allSettled(group.map(([path, document]) => keep(store, path, document)));
      for (const [index, [path]] of group.entries()) if (results[index]?.status === 'fulfilled') done.push(path);
      const failed = results.find((result) => result.status === 'rejected');
      if (failed === undefined) continue;
      if (atomic) for (const path of done) await keep(store, path, before?.get(path)).catch(() => {});
      throw failed.reason;
    }
    await deps.settled((snapshot) =>
      [...writes].every(([path, document]) => snapshot.documents.get(path)?.text === document?.text),
    );
  }

  return {
    list: () =>
      [...homes()].map(({ object }) => ({
        apiVersion: object.apiVersion,
        kind: object.kind,
        namespace: object.namespace,
        name: object.name,
        text: object.text,
        provenance: object.provenance,
      })),

    apply: (text, options) => inTurn(() => apply(text, options)),
    remove: (kind, namespace, name) => inTurn(() => remove(kind, namespace, name)),
  };

  async function apply(text: string, options: ApplyOptions): Promise<ApplyResult> {
    const store = writable();
    const parsed = parseDocument({ path: options.file, text }, 'apply');
    const problems: Problem[] = [...parsed.problems];
    const lines: Line[] = [];
    const writes = new Map<string, ObjectDocument | undefined>();
    const textOf = (home: Home): string => writes.get(home.document.path)?.text ?? home.document.text;
    const homeOf = new Map<string, Home>();
    for (const home of homes()) if (!homeOf.has(home.object.key)) homeOf.set(home.object.key, home);
    const stored = deps.snapshots().find(({ source }) => source === store.name)?.documents;
    const seen = new Map<string, MeshObject>();

    for (const object of parsed.objects) {
      const first = seen.get(object.key);
      if (first !== undefined) {
        const { line, column } = first.provenance;
        problems.push(createProblem('CH1101', object.provenance, `is also at line ${line}, column ${column}`));
        lines.push({ object: label(object), result: 'refused' });
        continue;
      }
      seen.set(object.key, object);
      const home = homeOf.get(object.key);
      if (home !== undefined && home.source !== store.name) {
        problems.push(
          createProblem(
            'CH1391',
            object.provenance,
            `lives in "${home.source}" (${home.document.path}), which apply does not write to`,
          ),
        );
        lines.push({ object: label(object), result: 'refused' });
      } else if (home === undefined) {
        const path = objectPath(object, (other) => stored?.has(other) === true || writes.has(other));
        writes.set(path, {
          path,
          text: object.text.endsWith('\n') ? object.text : `${object.text}\n`,
        });
        lines.push({ object: label(object), result: 'created' });
      } else if (home.object.text.trim() === object.text.trim()) {
        lines.push({ object: label(object), result: 'unchanged' });
      } else {
        const current = parseDocument({ path: home.document.path, text: textOf(home) }, store.name).objects.find(
          ({ key }) => key === object.key,
        );
        if (current === undefined) throw new Error(`object ${object.key} is no longer in ${home.document.path}`);
        writes.set(home.document.path, { ...home.document, text: replaceObject(textOf(home), current, object.text) });
        lines.push({ object: label(object), result: 'changed' });
      }
    }

    const failed = problems.some(({ severity }) => severity === 'error');
    if (failed && options.atomic)
      return { objects: lines.map(({ object }) => ({ object, result: 'refused' as const })), problems };
    const after = deps.evaluate(hypothetical(store, writes));
    const known = new Set(parsed.objects.map((object) => label(object)));
    problems.push(
      ...(after?.problems ?? []).filter(
        (problem) => known.has(problem.at.object) && !problems.some((other) => sameProblem(other, problem)),
      ),
    );
    if (!options.dryRun) await write(store, writes, options.atomic);
    return { objects: lines, problems };
  }

  async function remove(kind: string, namespace: string, name: string): Promise<ApplyResult> {
    const store = writable();
    const found = [...homes()].filter(
      ({ object }) => object.kind === kind && object.namespace === namespace && object.name === name,
    );
    const [home] = found;
    if (home === undefined) throw new AppError('CH1392', `${kind} ${namespace}/${name} is not there`);
    if (home.source !== store.name) {
      const problem = createProblem(
        'CH1391',
        home.object.provenance,
        `lives in "${home.source}" (${home.document.path}), which delete does not write to`,
      );
      return { objects: [{ object: label(home.object), result: 'refused' }], problems: [problem] };
    }
    const rest = removeObject(home.document.text, home.object);
    const empty = rest.trim() === '' || rest.trim() === '---';
    await write(store, new Map([[home.document.path, empty ? undefined : { ...home.document, text: rest }]]), true);
    return { objects: [{ object: label(home.object), result: 'deleted' }], problems: [] };
  }
}

function keep(store: ObjectStore, path: string, document: ObjectDocument | undefined): Promise<void> {
  return document === undefined ? store.remove(path) : store.put(document);
}

function sameProblem(a: Problem, b: Problem): boolean {
  return a.code === b.code && a.message === b.message && a.path === b.path;
}
