// envoy.type.matcher.v3.NodeMatcher: which nodes a question is about. Decoded into plain data, which threads can pass on.
// It must not know who asks. Invariant: a matcher we cannot apply is an error, never a silent yes or no.
import { eachField, WireError } from '../wire.ts';

export interface StringMatcher {
  readonly kind: 'exact' | 'prefix' | 'suffix' | 'contains';
  readonly text: string;
  readonly ignoreCase: boolean;
}

export type ValueMatcher =
  | { readonly kind: 'null' }
  | { readonly kind: 'number'; readonly value: number; readonly below: number | undefined }
  | { readonly kind: 'string'; readonly matcher: StringMatcher }
  | { readonly kind: 'bool'; readonly value: boolean }
  | { readonly kind: 'present'; readonly value: boolean }
  /** A list one of whose elements matches. */
  | { readonly kind: 'list'; readonly matcher: ValueMatcher }
  | { readonly kind: 'or'; readonly matchers: readonly ValueMatcher[] };

export interface NodeMatcher {
  readonly id: StringMatcher | undefined;
  /** All of them must match. */
  readonly metadata: readonly { readonly path: readonly string[]; readonly value: ValueMatcher }[];
}

type Range = readonly [number, number];
const maxDepth = 16;

/** Reads a NodeMatcher. Throws WireError, also for regular expressions and custom matchers, which are not applied. */
export function decodeNodeMatcher(bytes: Buffer, range: Range): NodeMatcher {
  let id: StringMatcher | undefined;
  const metadata: NodeMatcher['metadata'][number][] = [];
  eachField(bytes, range, ({ number, wireType, start, end }) => {
    if (wireType !== 2) return;
    if (number === 1) id = decodeString(bytes, [start, end]);
    else if (number === 2) metadata.push(decodeStruct(bytes, [start, end]));
  });
  return { id, metadata };
}

const kinds: Readonly<Record<number, StringMatcher['kind']>> = { 1: 'exact', 2: 'prefix', 3: 'suffix', 7: 'contains' };

function decodeString(bytes: Buffer, range: Range): StringMatcher {
  let kind: StringMatcher['kind'] | undefined;
  let text = '';
  let ignoreCase = false;
  eachField(bytes, range, ({ number, wireType, value, start, end }) => {
    if (number === 6 && wireType === 0) ignoreCase = value !== 0;
    else if (wireType !== 2) return;
    else if (kinds[number] === undefined)
      throw new WireError('a string is matched by exact, prefix, suffix or contains');
    else {
      kind = kinds[number];
      text = bytes.toString('utf8', start, end);
    }
  });
  if (kind === undefined) throw new WireError('a string matcher says nothing');
  return { kind, text, ignoreCase };
}

function decodeStruct(bytes: Buffer, range: Range): NodeMatcher['metadata'][number] {
  const path: string[] = [];
  let value: ValueMatcher | undefined;
  eachField(bytes, range, ({ number, wireType, start, end }) => {
    if (wireType !== 2) return;
    if (number === 3) value = decodeValue(bytes, [start, end], 0);
    else if (number === 2)
      eachField(bytes, [start, end], (segment) => {
        if (segment.number === 1 && segment.wireType === 2)
          path.push(bytes.toString('utf8', segment.start, segment.end));
      });
  });
  if (path.length === 0 || value === undefined) throw new WireError('a metadata matcher needs a path and a value');
  return { path, value };
}

function decodeValue(bytes: Buffer, range: Range, depth: number): ValueMatcher {
  if (depth > maxDepth) throw new WireError(`a value matcher is nested deeper than ${maxDepth}`);
  let result: ValueMatcher | undefined;
  eachField(bytes, range, ({ number, wireType, value, start, end }) => {
    const inner: Range = [start, end];
    if (wireType === 0 && number === 4) result = { kind: 'bool', value: value !== 0 };
    else if (wireType === 0 && number === 5) result = { kind: 'present', value: value !== 0 };
    else if (wireType !== 2) return;
    else if (number === 1) result = { kind: 'null' };
    else if (number === 2) result = decodeDouble(bytes, inner);
    else if (number === 3) result = { kind: 'string', matcher: decodeString(bytes, inner) };
    else if (number === 6)
      eachField(bytes, inner, (list) => {
        if (list.number === 1 && list.wireType === 2)
          result = { kind: 'list', matcher: decodeValue(bytes, [list.start, list.end], depth + 1) };
      });
    else if (number === 7) {
      const matchers: ValueMatcher[] = [];
      eachField(bytes, inner, (or) => {
        if (or.number === 1 && or.wireType === 2) matchers.push(decodeValue(bytes, [or.start, or.end], depth + 1));
      });
      result = { kind: 'or', matchers };
    }
  });
  if (result === undefined) throw new WireError('a value matcher of this kind is not applied');
  return result;
}

/** DoubleMatcher { 1 range {1 start, 2 end}, 2 exact }. */
function decodeDouble(bytes: Buffer, range: Range): ValueMatcher {
  let value = 0;
  let below: number | undefined;
  eachField(bytes, range, (part) => {
    if (part.number === 2 && part.wireType === 1) value = part.value;
    else if (part.number === 1 && part.wireType === 2) {
      below = 0;
      eachField(bytes, [part.start, part.end], (bound) => {
        if (bound.wireType !== 1) return;
        if (bound.number === 1) value = bound.value;
        else if (bound.number === 2) below = bound.value;
      });
    }
  });
  return { kind: 'number', value, below };
}

export interface MatchedNode {
  readonly nodeId: string;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** True if no matcher is given, or one of them matches. */
export function matchesAny(matchers: readonly NodeMatcher[], node: MatchedNode): boolean {
  return matchers.length === 0 || matchers.some((matcher) => matches(matcher, node));
}

function matches({ id, metadata }: NodeMatcher, node: MatchedNode): boolean {
  if (id !== undefined && !matchesText(id, node.nodeId)) return false;
  return metadata.every(({ path, value }) => matchesValue(value, valueAt(node.metadata, path)));
}

function valueAt(object: unknown, path: readonly string[]): unknown {
  let value = object;
  for (const key of path) {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, key)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[key];
  }
  return value;
}

function matchesText({ kind, text, ignoreCase }: StringMatcher, value: string): boolean {
  const wanted = ignoreCase ? text.toLowerCase() : text;
  const given = ignoreCase ? value.toLowerCase() : value;
  switch (kind) {
    case 'exact':
      return given === wanted;
    case 'prefix':
      return given.startsWith(wanted);
    case 'suffix':
      return given.endsWith(wanted);
    case 'contains':
      return given.includes(wanted);
  }
}

function matchesValue(matcher: ValueMatcher, value: unknown): boolean {
  switch (matcher.kind) {
    case 'null':
      return value === null;
    case 'number':
      if (typeof value !== 'number') return false;
      return matcher.below === undefined ? value === matcher.value : value >= matcher.value && value < matcher.below;
    case 'string':
      return typeof value === 'string' && matchesText(matcher.matcher, value);
    case 'bool':
      return value === matcher.value;
    case 'present':
      return (value !== undefined) === matcher.value;
    case 'list':
      return Array.isArray(value) && value.some((item) => matchesValue(matcher.matcher, item));
    case 'or':
      return matcher.matchers.some((inner) => matchesValue(inner, value));
  }
}
