// From the YAML text of an object document to typed objects and Problems, each with its position.
// It must not know other documents: references between objects are checked in references.ts.
// Invariant: never throws on any text; a bad object leaves its siblings, a bad rule leaves its route.
import { errorCodes } from '../util/error-codes.ts';
import { didYouMean } from '../util/near-miss.ts';
import { findKind, type Kind, type KindSpec, kinds, type Metadata } from './kinds.ts';
import { defaultNamespace } from './names.ts';
import { createProblem, type Problem } from './problem.ts';
import type { Provenance } from './provenance.ts';
import { type RefusedAuthorization, refusedAuthorization } from './refused-authorization.ts';
import { type Places, schemaProblems } from './schema-problems.ts';
import type { ObjectDocument } from './snapshot.ts';
import { textPositions } from './text-positions.ts';
import { type Piece, yamlPieces } from './yaml-pieces.ts';
import { type YamlFault, type YamlTree, yamlTree } from './yaml-tree.ts';

export type MeshObject = KindSpec & {
  /** `group/Kind/namespace/name`: two objects of one key are the same object. */
  readonly key: string;
  readonly apiVersion: string;
  readonly namespace: string;
  readonly name: string;
  readonly metadata: Metadata;
  /** Its YAML, as it stands in the document. */
  readonly text: string;
  /** Offsets of `text` in the document's text. */
  readonly start: number;
  readonly end: number;
  /** From metadata.creationTimestamp; milliseconds since the epoch. */
  readonly createdMs?: number;
  /** Order inside its store. */
  readonly created?: number;
  readonly provenance: Provenance;
  /** Where the value at a path stands; the nearest ancestor if it is not written. */
  at(path: readonly PropertyKey[]): Provenance;
};

export interface ParsedDocument {
  readonly document: ObjectDocument;
  /** The good ones, in the order of the text. */
  readonly objects: readonly MeshObject[];
  readonly problems: readonly Problem[];
  /** Pieces of the text that gave no object. */
  readonly refused: number;
  /** Those among them that were to protect a service, or may have been. */
  readonly refusedAuthorizations: readonly Refused[];
}

export interface Refused extends RefusedAuthorization {
  readonly provenance: Provenance;
}

/** Most objects of one document. */
const maxObjects = 10_000;

/** Parses every object of a document. `source` is the name of the store that holds it. */
export function parseDocument(document: ObjectDocument, source: string): ParsedDocument {
  const positions = textPositions(document.text);
  const objects: MeshObject[] = [];
  const problems: Problem[] = [];
  const refusedAuthorizations: Refused[] = [];
  const place = (offset: number, object = ''): Provenance => ({
    source,
    file: document.shown ?? document.path,
    ...positions(offset),
    object,
  });
  const pieces = yamlPieces(document.text);
  for (const piece of pieces.slice(0, maxObjects)) {
    const before = objects.length;
    const { value, at } = parsePiece({ document, piece, place, objects, problems });
    if (objects.length > before) continue;
    const refused = refusedAuthorization(value, document.text.slice(piece.start, piece.end));
    if (refused !== undefined)
      refusedAuthorizations.push({
        ...refused,
        provenance: place(at, `Authorization ${refused.namespace}/${refused.name}`),
      });
  }
  const [beyond] = pieces.slice(maxObjects, maxObjects + 1);
  if (beyond !== undefined)
    problems.push(createProblem('CH1009', place(beyond.start), `the file has more than ${maxObjects} objects`));
  return { document, objects, problems, refused: pieces.length - objects.length, refusedAuthorizations };
}

interface Work {
  readonly document: ObjectDocument;
  readonly piece: Piece;
  readonly place: (offset: number, object?: string) => Provenance;
  readonly objects: MeshObject[];
  readonly problems: Problem[];
}

const faultCodes = { syntax: 'CH1001', duplicate: 'CH1007', forbidden: 'CH1004', size: 'CH1009' } as const;

/** What the piece is as data, and the offset of its first character. */
function parsePiece(work: Work): { readonly value: unknown; readonly at: number } {
  const { document, piece, place, problems } = work;
  const tree = yamlTree(document.text.slice(piece.start, piece.end), piece.start);
  const { value } = tree;
  const found = { value, at: tree.locate([]) };
  if (tree.faults.length > 0) {
    problems.push(
      ...tree.faults.map(({ kind, message, offset }: YamlFault) =>
        createProblem(faultCodes[kind], place(offset), message),
      ),
    );
    return found;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    problems.push(createProblem('CH1002', place(tree.locate([])), 'the document is not a mapping'));
    return found;
  }
  const raw = value as Readonly<Record<string, unknown>>;
  const kind = findKind(raw['apiVersion'], raw['kind']);
  if (kind === undefined) problems.push(unknownKind(raw, tree, work));
  else parseObject(kind, { raw, tree, work });
  return found;
}

function unknownKind(raw: Readonly<Record<string, unknown>>, tree: YamlTree, work: Work): Problem {
  const { apiVersion, kind } = raw;
  for (const key of ['apiVersion', 'kind']) {
    if (raw[key] === undefined)
      return createProblem('CH1006', work.place(tree.locate([])), `"${key}" is missing`, { path: key });
  }
  const known = kinds.map((row) => `${row.apiVersion} ${row.kind}`);
  const sameKind = kinds.filter((row) => row.kind === kind).map((row) => row.apiVersion);
  const sameVersion = kinds.filter((row) => row.apiVersion === apiVersion).map((row) => row.kind as string);
  let hint = '';
  let path = 'kind';
  if (sameVersion.length > 0 && typeof kind === 'string') hint = didYouMean(kind, sameVersion);
  else if (sameKind.length > 0) {
    path = 'apiVersion';
    hint = ` Did you mean "${sameKind[0]}"?`;
  } else if (typeof kind === 'string' && typeof apiVersion === 'string')
    hint = didYouMean(`${apiVersion} ${kind}`, known);
  const shown = `${typeof apiVersion === 'string' ? apiVersion : typeof apiVersion} ${typeof kind === 'string' ? kind : typeof kind}`;
  return createProblem('CH1003', work.place(tree.locate([path])), `"${shown.slice(0, 200)}" is not known`, {
    path,
    hint: `${errorCodes.CH1003.hint}${hint}`,
  });
}

interface Raw {
  readonly raw: Readonly<Record<string, unknown>>;
  readonly tree: YamlTree;
  readonly work: Work;
}

function parseObject(kind: Kind, { raw, tree, work }: Raw): void {
  const { document, piece, place, objects, problems } = work;
  const label = labelOf(kind, raw);
  const places: Places = {
    at: (path) => place(tree.locate(path), label),
    atKey: (path) => place(tree.locateKey(path), label),
  };
  const first = kind.schema.safeParse(raw);
  let good = first.data;
  if (!first.success) {
    problems.push(...schemaProblems(first.error.issues, raw, places));
    good = withoutBadSiblings(kind, raw, first.error.issues);
  }
  if (good === undefined) return;
  const { metadata, spec } = good;
  const namespace = metadata.namespace ?? defaultNamespace;
  const { name, creationTimestamp } = metadata;
  objects.push({
    group: kind.group,
    kind: kind.kind,
    spec,
    key: `${kind.group}/${kind.kind}/${namespace}/${name}`,
    apiVersion: kind.apiVersion,
    namespace,
    name,
    metadata,
    text: document.text.slice(piece.start, piece.end),
    start: piece.start,
    end: piece.end,
    ...(creationTimestamp === undefined ? {} : { createdMs: Date.parse(creationTimestamp) }),
    ...(document.created === undefined ? {} : { created: document.created }),
    provenance: places.at([]),
    at: places.at,
  } as MeshObject);
}

function labelOf(kind: Kind, raw: Readonly<Record<string, unknown>>): string {
  const metadata = raw['metadata'];
  if (typeof metadata !== 'object' || metadata === null) return kind.kind;
  const { name, namespace = defaultNamespace } = metadata as Readonly<Record<string, unknown>>;
  return typeof name === 'string' && typeof namespace === 'string' ? `${kind.kind} ${namespace}/${name}` : kind.kind;
}

/** The object with null in place of each refused list entry; undefined if something else is wrong or none is left. */
function withoutBadSiblings(
  kind: Kind,
  raw: Readonly<Record<string, unknown>>,
  issues: readonly { readonly path: readonly PropertyKey[] }[],
): { readonly metadata: Metadata; readonly spec: unknown } | undefined {
  const { siblings } = kind;
  if (siblings === undefined) return undefined;
  const bad = new Set<number>();
  for (const { path } of issues) {
    const index = path[siblings.length];
    if (!siblings.every((step, at) => path[at] === step) || typeof index !== 'number') return undefined;
    bad.add(index);
  }
  const [outer = '', inner = ''] = siblings;
  const parent = raw[outer] as Readonly<Record<string, readonly unknown[]>>;
  const entries = parent[inner] ?? [];
  const kept = entries.filter((_, index) => !bad.has(index));
  const again = kind.schema.safeParse({ ...raw, [outer]: { ...parent, [inner]: kept } });
  if (!again.success) return undefined;
  const spec = again.data.spec as Readonly<Record<string, readonly unknown[]>>;
  const left = [...(spec[inner] ?? [])];
  return {
    metadata: again.data.metadata,
    spec: { ...spec, [inner]: entries.map((_, index) => (bad.has(index) ? null : left.shift())) },
  };
}
