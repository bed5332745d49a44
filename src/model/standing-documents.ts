// The documents of all stores as they count: parsed, each with what of its last good text still stands, and which object
// holds where several claim one key. Pure; it must not know what an object means.
// Invariants: what comes out depends on the documents alone, never on their order; an unchanged document is parsed once.
import { type MeshObject, type ParsedDocument, parseDocument } from './parse.ts';
import { createProblem, type Problem } from './problem.ts';
import { compareText, sharedMap } from './sharing.ts';
import type { ObjectSnapshot } from './snapshot.ts';

/** The documents as they came, by source. */
export type GivenDocuments = ReadonlyMap<string, ObjectSnapshot['documents']>;

/** By source and path. */
export type StandingDocuments = ReadonlyMap<string, ReadonlyMap<string, Standing>>;

/** A document as it counts: what it holds now, and what of its last good text stands in for what it refuses now. */
interface Standing extends ParsedDocument {
  readonly kept: readonly MeshObject[];
}

interface Previous {
  readonly given: GivenDocuments;
  readonly parsed: StandingDocuments;
}

export function parseAll(previous: Previous | undefined, given: GivenDocuments): StandingDocuments {
  const sources = new Map<string, ReadonlyMap<string, Standing>>();
  for (const [source, documents] of given) {
    const before = previous?.parsed.get(source);
    if (before !== undefined && previous?.given.get(source) === documents) {
      sources.set(source, before);
      continue;
    }
    const after = new Map<string, Standing>();
    for (const [path, document] of [...documents].sort(([a], [b]) => compareText(a, b))) {
      const known = before?.get(path);
      const same =
        known !== undefined &&
        (known.document === document ||
          (known.document.text === document.text && known.document.created === document.created));
      after.set(path, same ? known : withLastGood(parseDocument(document, source), known));
    }
    sources.set(source, sharedMap(before, after));
  }
  return sharedMap(previous?.parsed, sources);
}

/**
 * While a document refuses some of its text, the objects it had and now lacks keep their last good version: a slip of the
 * pen takes nothing away. What is deleted from a text that is good is gone at once.
 */
function withLastGood(parsed: ParsedDocument, before: Standing | undefined): Standing {
  if (parsed.refused === 0 || before === undefined) return { ...parsed, kept: [] };
  const there = new Set(parsed.objects.map(({ key }) => key));
  return { ...parsed, kept: [...before.objects, ...before.kept].filter(({ key }) => !there.has(key)) };
}

/** One object of each key: the oldest. Every other one is a Problem. In an order that depends on the set alone. */
export function distinct(parsed: StandingDocuments, problems: Problem[]): readonly MeshObject[] {
  const byKey = new Map<string, MeshObject[]>();
  for (const documents of parsed.values()) {
    for (const { objects, problems: own } of documents.values()) {
      problems.push(...own);
      for (const object of objects) {
        const claimants = byKey.get(object.key);
        if (claimants === undefined) byKey.set(object.key, [object]);
        else claimants.push(object);
      }
    }
  }
  for (const documents of parsed.values()) {
    for (const { kept } of documents.values()) {
      for (const object of kept) {
        if (byKey.has(object.key)) continue;
        byKey.set(object.key, [object]);
        problems.push(
          createProblem('CH1110', object.provenance, 'is refused in its new text', { severity: 'warning' }),
        );
      }
    }
  }
  return [...byKey.values()].map((claimants) => {
    const [winner, ...losers] = claimants.length === 1 ? claimants : claimants.sort(byAge);
    if (winner === undefined) throw new Error('a key without objects');
    for (const loser of losers) {
      const { file, line, column } = winner.provenance;
      const message = `is also defined at ${file}:${line}:${column}, which holds`;
      problems.push(createProblem('CH1101', loser.provenance, message));
    }
    return winner;
  });
}

/**
 * The older one first: creationTimestamp, else the order inside one store, else skipped; then source, path, position.
 * An object with a timestamp is older than one without, which keeps the order total.
 */
export function byAge(a: MeshObject, b: MeshObject): number {
  const written = (a.createdMs ?? Number.POSITIVE_INFINITY) - (b.createdMs ?? Number.POSITIVE_INFINITY);
  if (written < 0 || written > 0) return written;
  const source = compareText(a.provenance.source, b.provenance.source);
  if (source !== 0) return source;
  const stored = (a.created ?? Number.POSITIVE_INFINITY) - (b.created ?? Number.POSITIVE_INFINITY);
  if (stored < 0 || stored > 0) return stored;
  return compareText(a.provenance.file, b.provenance.file) || a.start - b.start;
}
