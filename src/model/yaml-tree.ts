// One YAML document as plain data with the offset of every key and value. Syntax only.
// It must not know kinds or problems. Invariant: never throws; what it returns without faults is plain JSON data
// with own keys only, no deeper than 64 levels, and no alias expands beyond the library's bound.
import { isAlias, isCollection, isMap, isPair, isScalar, isSeq, type Node, parseDocument, visit } from 'yaml';

export interface YamlFault {
  readonly kind: 'syntax' | 'duplicate' | 'forbidden' | 'size';
  readonly message: string;
  readonly offset: number;
}

export interface YamlTree {
  readonly value: unknown;
  /** Not empty: `value` is undefined. */
  readonly faults: readonly YamlFault[];
  /** Offset of the value at a path: a scalar itself, the key of a collection; the nearest ancestor if it is not written. */
  locate(path: readonly PropertyKey[]): number;
  /** Offset of the key at a path. */
  locateKey(path: readonly PropertyKey[]): number;
}

const maxDepth = 64;
/** Characters of one object: a thousand rules fit, and the slowest text of that length takes two seconds. */
const maxLength = 262_144;
const maxAliasCount = 50;

/** `base` is added to every offset. */
export function yamlTree(text: string, base: number): YamlTree {
  let aliasAt = 0;
  const failed = (kind: YamlFault['kind'], message: string, offset = 0): YamlTree => ({
    value: undefined,
    faults: [{ kind, message, offset: offset + base }],
    locate: () => base,
    locateKey: () => base,
  });
  if (text.length > maxLength)
    return failed('size', `is ${text.length} characters long; at most ${maxLength} are allowed`);
  const tooDeep = nesting(text);
  if (tooDeep !== undefined) return failed('size', `is nested deeper than ${maxDepth} levels`, tooDeep);
  try {
    const document = parseDocument(text, { prettyErrors: false, uniqueKeys: false, logLevel: 'silent' });
    const { contents } = document;
    const faults: YamlFault[] = document.errors.map(({ message, pos }) => ({
      kind: 'syntax',
      message: message.charAt(0).toLowerCase() + message.slice(1),
      offset: pos[0] + base,
    }));
    if (faults.length === 0 && contents !== null) {
      check(contents, base, faults);
      visit(document, {
        Alias(_, node) {
          aliasAt ||= start(node);
          if (node.resolve(document) !== undefined) return;
          faults.push({
            kind: 'syntax',
            message: `alias "${node.source}" has no anchor before it`,
            offset: start(node) + base,
          });
        },
      });
    }
    const value: unknown = faults.length === 0 ? document.toJS({ maxAliasCount }) : undefined;
    return {
      value,
      faults: faults.slice(0, 1).concat(faults.filter(({ kind }, index) => index > 0 && kind !== 'syntax')),
      locate: (path) => base + offsetOf(contents, path, false),
      locateKey: (path) => base + offsetOf(contents, path, true),
    };
  } catch (error) {
    // The library throws for aliases beyond the bound, and for texts that its recursion cannot hold.
    if (error instanceof ReferenceError) return failed('size', 'its aliases expand to too much', aliasAt);
    if (error instanceof RangeError) return failed('size', 'is nested too deeply to be read');
    return failed('syntax', `cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Offset at which flow brackets are deeper than allowed, counted without regard to quotes when far beyond it. */
function nesting(text: string): number | undefined {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '[' || character === '{') depth++;
    else if (character === ']' || character === '}') depth = Math.max(0, depth - 1);
    else continue;
    if (depth > 16 * maxDepth) return at;
  }
  return undefined;
}

function check(root: Node, base: number, faults: YamlFault[]): void {
  const pending: { readonly node: unknown; readonly depth: number }[] = [{ node: root, depth: 1 }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { node, depth } = next;
    if (!isCollection(node)) continue;
    if (depth > maxDepth) {
      faults.push({ kind: 'size', message: `is nested deeper than ${maxDepth} levels`, offset: start(node) + base });
      return;
    }
    const keys = new Set<string>();
    for (const item of node.items) {
      if (!isPair(item)) {
        pending.push({ node: item, depth: depth + 1 });
        continue;
      }
      const offset = start(item.key) + base;
      if (!isScalar(item.key)) {
        faults.push({ kind: 'forbidden', message: 'a key must be a plain text', offset });
        continue;
      }
      const key = String(item.key.value);
      if (key === '__proto__')
        faults.push({ kind: 'forbidden', message: 'the key "__proto__" is not allowed', offset });
      if (keys.has(key)) faults.push({ kind: 'duplicate', message: `the key "${key}" is there twice`, offset });
      keys.add(key);
      pending.push({ node: item.value, depth: depth + 1 });
    }
  }
}

function start(node: unknown): number {
  return (isScalar(node) || isCollection(node) || isAlias(node)) && node.range ? node.range[0] : 0;
}

function offsetOf(contents: Node | null, path: readonly PropertyKey[], keyWanted: boolean): number {
  let node: unknown = contents;
  let offset = start(contents);
  for (const [index, step] of path.entries()) {
    const last = index === path.length - 1;
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
      if (pair === undefined) break;
      offset = isScalar(pair.value) && !(last && keyWanted) && pair.value.range ? pair.value.range[0] : start(pair.key);
      node = pair.value;
    } else if (isSeq(node)) {
      const item: unknown = node.items[Number(step)];
      if (item === undefined) break;
      offset = start(item);
      node = item;
    } else break;
  }
  return offset;
}
