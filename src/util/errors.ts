// The one error class for failures of infrastructure and usage. Mistakes in a user's objects are Problems, not errors.
// Invariant: the message starts with [CODE]; the cause is kept apart and printed once, at the top.
import { type ErrorCodeName, errorCodes } from './error-codes.ts';

export interface AppErrorOptions {
  /** True when trying again later can help. */
  readonly retryable?: boolean;
  readonly cause?: unknown;
  /** Replaces the code's own hint. */
  readonly hint?: string;
}

export class AppError extends Error {
  readonly code: ErrorCodeName;
  readonly retryable: boolean;
  readonly hint: string;

  constructor(code: ErrorCodeName, message: string, options: AppErrorOptions = {}) {
    super(`[${code}] ${message}`, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.hint = options.hint ?? errorCodes[code].hint;
  }
}

/** The message of anything thrown, with its causes, on one line. */
export function errorText(error: unknown): string {
  const parts: string[] = [];
  let current: unknown = error;
  for (let depth = 0; current !== undefined && depth < 8; depth++) {
    parts.push(current instanceof Error ? current.message || current.name : String(current));
    current = current instanceof Error ? current.cause : undefined;
  }
  return parts.join(': ');
}
