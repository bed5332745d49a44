// Exit codes and how failures are told on stderr. One place, so that every command fails alike.
// Invariant: a failure a user can cause shows code, message and hint, never a stack.
import { type Problem, problemText } from '../model/problem.ts';
import type { ErrorCodeName } from '../util/error-codes.ts';
import { AppError, errorText } from '../util/errors.ts';
import type { Io } from './io.ts';

export const exitCodes = { fine: 0, failed: 1, unreachable: 2, usage: 64, invalid: 65 } as const;

export const exitHelp = `Exit codes: 0 fine, 1 failed or not in sync, 2 server unreachable, 64 usage, 65 invalid objects.`;

const byCode: Readonly<Partial<Record<ErrorCodeName, number>>> = {
  CH1003: exitCodes.usage,
  CH1601: exitCodes.usage,
  CH1602: exitCodes.usage,
  CH1603: exitCodes.usage,
  CH1604: exitCodes.usage,
  CH1605: exitCodes.usage,
  CH1606: exitCodes.unreachable,
  CH1608: exitCodes.usage,
  CH1613: exitCodes.usage,
  CH1615: exitCodes.invalid,
  CH1860: exitCodes.usage,
};

const paint = { error: '\x1b[31m', warning: '\x1b[33m', off: '\x1b[0m' } as const;

/** Writes problems to stderr, errors first. */
export function reportProblems(io: Io, problems: readonly Problem[]): void {
  const order = [...problems].sort((a, b) => Number(a.severity === 'warning') - Number(b.severity === 'warning'));
  for (const problem of order) {
    const mark = io.colour ? `${paint[problem.severity]}${problem.severity}${paint.off}` : problem.severity;
    io.err(`${mark} ${problemText(problem)}\n`);
  }
}

/** Writes the failure to stderr and returns its exit code. */
export function reportFailure(io: Io, error: unknown): number {
  if (!(error instanceof AppError)) {
    io.err(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    return exitCodes.failed;
  }
  const mark = io.colour ? `${paint.error}error${paint.off}` : 'error';
  io.err(`${mark} ${errorText(error)}. ${error.hint.trim()} docs: errors#${error.code}\n`);
  return byCode[error.code] ?? exitCodes.failed;
}
