// A mistake in what a user wrote or registered. Never thrown: it travels beside the result, and siblings still ship.
import type { ErrorCodeName } from '../util/error-codes.ts';
import { errorCodes } from '../util/error-codes.ts';
import type { Provenance } from './provenance.ts';

export interface Problem {
  readonly code: ErrorCodeName;
  readonly severity: 'error' | 'warning';
  /** What is wrong, with the subjects in quotes; without code, position or hint. */
  readonly message: string;
  /** What to do. */
  readonly hint: string;
  /** Dotted path inside the object, e.g. `spec.rules[0].to[1].service`; empty for the whole object. */
  readonly path: string;
  readonly at: Provenance;
}

export interface ProblemOptions {
  readonly severity?: 'error' | 'warning';
  readonly path?: string;
  /** Replaces the code's own hint. */
  readonly hint?: string;
}

export function createProblem(
  code: ErrorCodeName,
  at: Provenance,
  message: string,
  options: ProblemOptions = {},
): Problem {
  return {
    code,
    severity: options.severity ?? 'error',
    message,
    hint: options.hint ?? errorCodes[code].hint,
    path: options.path ?? '',
    at,
  };
}

/** `[CH1203] Route "shop": backend "crat" is in no registry (objects/shop.yaml:12:20). Did you mean "cart"? docs: errors#CH1203` */
export function problemText(problem: Problem): string {
  const { code, at, message, hint } = problem;
  const where = at.file === '' ? '' : ` (${at.file}:${at.line}:${at.column})`;
  const who = at.object === '' ? '' : `${at.object}: `;
  return `[${code}] ${who}${message}${where}. ${hint.trim()} docs: errors#${code}`;
}
