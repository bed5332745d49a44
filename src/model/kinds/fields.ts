// The field types that the kinds share: names, hosts, durations, regexes, bounded texts and lists.
// It knows no kind. Invariant: every text, list and map a user can write has an upper bound, every object refuses
// unknown keys, and every regex is RE2, so that no input makes later floors slow or Envoy refuse.
import { RE2JS } from 're2js';
import { z } from 'zod';
import type { ErrorCodeName } from '../../util/error-codes.ts';

/** Upper bounds (characters, or entries). A regex of Istio's and Envoy's size: 1024. */
export const bounds = {
  name: 253,
  text: 1024,
  body: 4096,
  regex: 1024,
  list: 256,
  map: 64,
  rules: 1024,
  endpoints: 1024,
};

/** Longest duration anywhere: a day. */
const maxDurationMs = 86_400_000;

/** An object whose unknown keys are issues; the issue's message lists the known keys for "did you mean". */
export function strict<Shape extends z.ZodRawShape>(shape: Shape) {
  const known = Object.keys(shape).join(' ');
  return z.strictObject(shape, { error: (issue) => (issue.code === 'unrecognized_keys' ? known : undefined) });
}

/** An object of which exactly one key must be there. */
export function oneOf<Shape extends z.ZodRawShape>(shape: Shape) {
  return strict(shape)
    .check((context) => {
      const given = Object.keys(context.value);
      if (given.length !== 1) issue(context, 'CH1010', `needs exactly one of ${Object.keys(shape).join(', ')}`);
    })
    .meta({ minProperties: 1, maxProperties: 1 });
}

interface IssueContext {
  readonly value: unknown;
  readonly issues: unknown[];
}

/** Adds an issue with a code of ours at `path` below the value under check. */
export function issue(
  context: IssueContext,
  code: ErrorCodeName,
  text: string | { path: PropertyKey[]; text: string },
): void {
  const { path, text: message } = typeof text === 'string' ? { path: [], text } : text;
  context.issues.push({ code: 'custom', message, path, params: { code }, input: context.value });
}

export function list<Item extends z.ZodType>(item: Item, max: number = bounds.list) {
  return z.array(item).max(max);
}

export function map<Value extends z.ZodType>(value: Value, max: number = bounds.map) {
  return z.record(z.string().min(1).max(bounds.name), value).check((context) => {
    const size = Object.keys(context.value).length;
    if (size > max) issue(context, 'CH1009', `has ${size} entries; at most ${max} are allowed`);
  });
}

function pattern(regex: RegExp, wanted: string, max: number = bounds.name) {
  return z.string().max(max).regex(regex, { error: wanted });
}

export const text = z.string().max(bounds.text);
export const namePattern = /^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/;
export const name = pattern(namePattern, 'must be a name: letters, digits, dots, dashes, underscores');
export const namespace = pattern(/^[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?$/, 'must be a name without dots');
/** A service: `cart`, or `prod/cart` in another namespace. */
export const serviceRef = pattern(
  /^([A-Za-z0-9][A-Za-z0-9_-]*\/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/,
  'must be the name of a service, or namespace/name',
  2 * bounds.name,
);

export const hostOrAny = pattern(
  /^(\*|(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?)$/,
  'must be a host name without scheme, port or path; a leading "*." and "*" alone are allowed',
).transform((value) => value.toLowerCase());
export const plainHost = pattern(/^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$/, 'must be a host name').transform(
  (value) => value.toLowerCase(),
);
/** An IP address or a host name to dial or listen on. */
export const address = pattern(/^[A-Za-z0-9_.:-]+$/, 'must be an IP address or a host name');

export const port = z.int().min(1).max(65_535);
export const weight = z.int().min(0).max(1_000_000);
export const percent = z.int().min(0).max(100);
export const count = z.int().min(1).max(4_294_967_295);

const durationPattern = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)$/;
const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

function milliseconds(value: string): number {
  const [, number = '', unit = ''] = durationPattern.exec(value) ?? [];
  return Math.round(Number(number) * (unitMs[unit] ?? 0));
}

function durationOf(minMs: number, wanted: string) {
  return z
    .string({ error: (given) => (given.input === undefined ? undefined : wanted) })
    .regex(durationPattern, { error: wanted })
    .refine((value) => milliseconds(value) >= minMs && milliseconds(value) <= maxDurationMs, { error: wanted })
    .transform(milliseconds);
}

/** `500ms`, `2s`, `1.5s`, `1m`, `1h`, as milliseconds; above 0. */
export const duration = durationOf(1, 'must be a duration above 0 and up to 24h, such as 500ms, 2s or 1m');
/** The same, where `0s` means without limit. */
export const durationOrZero = durationOf(
  0,
  'must be a duration up to 24h, such as 500ms, 2s or 1m; 0s is without limit',
);

/** Upper bound of `expansion`; a UUID by counted repetitions has about 2,000. */
const maxExpansion = 100_000;

/** About how many instructions of RE2, which works on bytes, the characters of a regex make without repetitions. */
function instructions(source: string): number {
  const count = (part: RegExp): number => source.match(part)?.length ?? 0;
  // A Unicode class, then what takes almost any character, then characters of several bytes.
  return source.length + 1000 * count(/\\[pP]/g) + 12 * count(/\.|\[\^|\\[DWS]/g) + 8 * count(/[^\0-\x7f]/g);
}

/** About how many instructions counted repetitions make of a regex: RE2 copies what is repeated. */
function expansion(source: string): number {
  let sum = 1;
  let groups = 1;
  for (const [, before = '', least = '0', most = ''] of source.matchAll(/(.)\{(\d{1,6})(?:,(\d{0,6}))?\}/gs)) {
    const times = Math.max(1, Number(least), Number(most));
    sum += times;
    if (before === ')') groups *= times;
  }
  return instructions(source) * sum * groups;
}

/** RE2 as Envoy runs it, whole value. */
export const regex = z
  .string()
  .min(1)
  .max(bounds.regex)
  .check((context) => {
    if (context.value.length > bounds.regex) return;
    if (expansion(context.value) > maxExpansion) {
      issue(context, 'CH1009', 'repeats too much: its counted repetitions expand to a program too large');
      return;
    }
    try {
      RE2JS.compile(context.value);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      issue(context, 'CH1008', `is not an RE2 regular expression: ${reason.replace(/^error parsing regexp: /, '')}`);
    }
  });

/** A regex and what its match becomes; `\\1` names a group, `\\\\` is a backslash (RE2's rewrite syntax). */
export const regexRewrite = strict({ pattern: regex, substitution: text }).check((context) => {
  const { pattern: source, substitution } = context.value;
  if (source.length > bounds.regex || expansion(source) > maxExpansion) return;
  const groups = groupCount(source);
  const wrong = [...substitution.matchAll(/\\(.?)/gs)].find(
    ([, after = '']) => after !== '\\' && !(/^\d$/.test(after) && Number(after) <= (groups ?? 9)),
  );
  if (wrong !== undefined)
    issue(context, 'CH1005', {
      path: ['substitution'],
      text: `names "${wrong[0]}", a group that the pattern does not have`,
    });
});

function groupCount(source: string): number | undefined {
  try {
    return RE2JS.compile(source).groupCount();
  } catch {
    // Said of the pattern already.
    return undefined;
  }
}

/** An HTTP token; `:authority` and the like are allowed where headers are matched. */
export const matchHeaderName = pattern(/^:?[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'must be a header name').transform((value) =>
  value.toLowerCase(),
);
export const method = pattern(/^[A-Za-z][A-Za-z-]*$/, 'must be an HTTP method', 32).transform((value) =>
  value.toUpperCase(),
);
/** No control characters: they cannot stand in a header. */
export const headerValue = z
  .string()
  .max(bounds.body)
  .regex(/^[\t\x20-\x7e\x80-\uffff]*$/, { error: 'must be without control characters' });
/** On the machine of the control plane; a relative one would depend on where that was started. */
export const filePath = pattern(/^\/[^\0\n\r]*[^\0\n\r/]$/, 'must be the absolute path of a file', bounds.text);
export const path = pattern(/^\/[^?#\s]*$/, 'must be a path that begins with "/", without query', bounds.text);
