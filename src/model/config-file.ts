// A chancery.yaml text as a plain tree with the position of every key. Syntax only: what the keys mean is config.ts.
// It must not read files. Invariant: positions are 1-based and point at the key the user wrote.
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { createProblem, type Problem } from './problem.ts';
import type { Provenance } from './provenance.ts';

export interface ConfigFile {
  readonly path: string;
  readonly text: string;
}

export interface ConfigTree {
  readonly root: Readonly<Record<string, unknown>>;
  readonly problems: readonly Problem[];
  /** Position of the key or item at a path; of the nearest ancestor if it is not written. */
  at(path: readonly PropertyKey[]): Provenance;
}

/** Parses the text; a file that is no mapping yields an empty tree and a problem. */
export function parseConfigFile(file: ConfigFile): ConfigTree {
  const lines = new LineCounter();
  const document = parseDocument(file.text, { lineCounter: lines });
  const place = (offset: number): Provenance => {
    const { line, col } = lines.linePos(offset);
    return { source: 'config', file: file.path, line: Math.max(1, line), column: Math.max(1, col), object: '' };
  };
  const problems: Problem[] = document.errors.map((error) =>
    createProblem('CH1602', place(error.pos[0]), error.message.split('\n')[0] ?? 'not valid YAML'),
  );
  const root: unknown = problems.length > 0 ? {} : (document.toJS() ?? {});
  if (typeof root !== 'object' || root === null || Array.isArray(root)) {
    problems.push(createProblem('CH1602', place(0), 'the file is not a mapping of keys to values'));
    return { root: {}, problems, at: () => place(0) };
  }
  return { root: root as Record<string, unknown>, problems, at: (path) => place(offsetOf(document.contents, path)) };
}

function offsetOf(contents: Node | null, path: readonly PropertyKey[]): number {
  let node: unknown = contents;
  let offset = 0;
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => (isScalar(item.key) ? item.key.value : item.key) === step);
      if (pair === undefined) break;
      if (isScalar(pair.key) && pair.key.range) offset = pair.key.range[0];
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(step)];
      if ((isScalar(node) || isMap(node) || isSeq(node)) && node.range) offset = node.range[0];
    } else break;
  }
  return offset;
}
