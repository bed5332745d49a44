// One result of `chancery check`, and how it is said. It must not know what is checked.
// Invariant: what is not `ok` says what to do next; names that others chose are shown plainly.
import { plainText } from './plain-text.ts';
import { counted } from './table.ts';

export interface Check {
  /** A word or two, the same in every answer. */
  readonly check: string;
  /** `warn`: to be known. `FAIL`: something does not work, or what was asked is not so. */
  readonly result: 'ok' | 'warn' | 'FAIL';
  readonly message: string;
  /** What to do; there unless `ok`. */
  readonly next?: string;
}

const maxNamed = 5;

export function some(names: readonly string[]): string {
  const more = names.length - maxNamed;
  return `${names.slice(0, maxNamed).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** `2 proxies (a, b)`. */
export function named(names: readonly string[], one: string, many = `${one}s`): string {
  return `${counted(names.length, one, many)} (${some(names.map(plainText))})`;
}

const paint = { ok: '\x1b[32m', warn: '\x1b[33m', FAIL: '\x1b[31m', off: '\x1b[0m' } as const;

/** A line a check, `ok`, `warn` or `FAIL` in front. */
export function checkLines(checks: readonly Check[], colour: boolean): string {
  return checks
    .map(({ check, result, message, next }) => {
      const mark = `${colour ? `${paint[result]}${result}${paint.off}` : result}${' '.repeat(6 - result.length)}`;
      return `${mark}${check}: ${plainText(message)}${next === undefined ? '' : `. Next: ${plainText(next)}`}\n`;
    })
    .join('');
}
