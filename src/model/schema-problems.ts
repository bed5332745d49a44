// What a schema found wrong, as Problems in words for people: position, path, what is wrong, what to do.
// It must not know which kind it speaks of. Invariant: one Problem per mistake, each with a position inside the object.
import type { z } from 'zod';
import type { ErrorCodeName } from '../util/error-codes.ts';
import { errorCodes } from '../util/error-codes.ts';
import { didYouMean } from '../util/near-miss.ts';
import { createProblem, type Problem } from './problem.ts';
import type { Provenance } from './provenance.ts';

type Issue = z.core.$ZodIssue;

/** Where the object's parts stand. */
export interface Places {
  at(path: readonly PropertyKey[]): Provenance;
  atKey(path: readonly PropertyKey[]): Provenance;
}

/** Most Problems of one object: a list of a thousand bad entries is one mistake. */
const maxProblems = 32;

/** `spec.rules[0].to` */
export function dotted(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    return text === '' ? String(step) : `${text}.${String(step)}`;
  }, '');
}

/** Problems for the issues that zod reported on `value`. */
export function schemaProblems(issues: readonly Issue[], value: unknown, places: Places): readonly Problem[] {
  const misspelt = new Set(issues.flatMap(({ code, path }) => (code === 'unrecognized_keys' ? [dotted(path)] : [])));
  // Where a key is misspelt, that the right one is missing follows from it.
  const own = issues.filter(({ code, path }) => code !== 'custom' || !misspelt.has(dotted(path)));
  return own.flatMap((issue) => problemsOf(issue, value, places)).slice(0, maxProblems);
}

function problemsOf(issue: Issue, value: unknown, places: Places): readonly Problem[] {
  const { path } = issue;
  const make = (code: ErrorCodeName, message: string, extra = ''): Problem =>
    createProblem(code, places.at(path), message, { path: dotted(path), hint: `${errorCodes[code].hint}${extra}` });
  const subject = `"${dotted(path)}"`;
  if (issue.code === 'unrecognized_keys') {
    const known = issue.message.split(' ');
    return issue.keys.map((key) =>
      createProblem('CH1004', places.atKey([...path, key]), `the key "${key}" is not known here`, {
        path: dotted([...path, key]),
        hint: `${errorCodes.CH1004.hint}${didYouMean(key, known)}`,
      }),
    );
  }
  if (issue.code === 'invalid_union') return unionProblems(issue, value, places);
  const given = valueAt(value, path);
  if (given === undefined && (issue.code === 'invalid_type' || issue.code === 'invalid_value'))
    return [make('CH1006', `${subject} is missing`)];
  switch (issue.code) {
    case 'invalid_type': {
      // A field type with words of its own, such as a duration.
      if (!issue.message.startsWith('Invalid input'))
        return [make('CH1005', `${subject} ${issue.message}, not ${shown(given)}`)];
      const quote = issue.expected === 'string' && (typeof given === 'number' || typeof given === 'boolean');
      const extra = quote ? ` Put it in quotes: "${given}".` : '';
      return [make('CH1005', `${subject} must be ${article(issue.expected)}, not ${shown(given)}`, extra)];
    }
    case 'invalid_value': {
      const values = issue.values.map(String);
      const wanted = values.map((one) => `"${one}"`).join(', ');
      const near = typeof given === 'string' ? didYouMean(given, values) : '';
      return [
        make('CH1005', `${subject} must be ${values.length > 1 ? 'one of ' : ''}${wanted}, not ${shown(given)}`, near),
      ];
    }
    case 'too_big':
      return [
        make(sizeCode(issue.origin), `${subject} ${size(issue.origin, 'at most', issue.maximum)}${number(given)}`),
      ];
    case 'too_small':
      return [make('CH1005', `${subject} ${size(issue.origin, 'at least', issue.minimum)}${number(given)}`)];
    case 'custom': {
      const code = issue.params?.['code'] as ErrorCodeName | undefined;
      return [make(code ?? 'CH1005', `${subject} ${issue.message}`)];
    }
    case 'invalid_format':
      return [make('CH1005', `${subject} ${issue.message}, not ${shown(given)}`)];
    default:
      return [make('CH1005', `${subject} does not fit: ${issue.message}`)];
  }
}

/** The branch that was meant is the one that failed below its root; else all branches are named. */
function unionProblems(issue: z.core.$ZodIssueInvalidUnion, value: unknown, places: Places): readonly Problem[] {
  const { path } = issue;
  const meant = issue.errors.find((branch) =>
    branch.every((inner) => inner.path.length > 0 || inner.code === 'unrecognized_keys' || inner.code === 'custom'),
  );
  if (meant !== undefined)
    return meant.flatMap((inner) => problemsOf({ ...inner, path: [...path, ...inner.path] }, value, places));
  const wanted = issue.errors.flatMap((branch) =>
    branch.flatMap((inner) => {
      if (inner.code === 'invalid_value') return inner.values.map(String);
      return inner.code === 'invalid_type' ? [article(inner.expected)] : [];
    }),
  );
  const message = `"${dotted(path)}" must be one of ${wanted.join(', ')}, not ${shown(valueAt(value, path))}`;
  return [createProblem('CH1005', places.at(path), message, { path: dotted(path) })];
}

export function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let current: unknown = value;
  for (const step of path) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, step)) return undefined;
    current = (current as Record<PropertyKey, unknown>)[step];
  }
  return current;
}

const nouns: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
};

/** What was expected, in words: `a whole number`. */
export function article(expected: string): string {
  return nouns[expected] ?? expected;
}

function sizeCode(origin: string): ErrorCodeName {
  return origin === 'number' || origin === 'int' ? 'CH1005' : 'CH1009';
}

/** `must be at most 65535`, or of how many characters or entries. */
export function size(origin: string, bound: string, limit: number | bigint): string {
  const one = Number(limit) === 1;
  if (origin === 'string') return `must have ${bound} ${limit} ${one ? 'character' : 'characters'}`;
  if (origin === 'array') return `must have ${bound} ${limit} ${one ? 'entry' : 'entries'}`;
  return `must be ${bound} ${limit}`;
}

function number(given: unknown): string {
  return typeof given === 'number' ? `, not ${given}` : '';
}

/** A value as people wrote it, short. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
