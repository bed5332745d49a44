// Errors of the API as RFC 9457 problem documents, with the same codes and hints as everywhere else.
// Invariant: nothing of an unexpected error but its fact leaves the process; the log has the rest.
import { type ErrorCodeName, errorCodes } from '../util/error-codes.ts';
import { AppError } from '../util/errors.ts';

/** Thrown by handlers; becomes the answer. */
export class Fault extends Error {
  readonly status: number;
  readonly code: ErrorCodeName;
  /** Further members of the document, e.g. `problems`. */
  readonly members: Readonly<Record<string, unknown>>;

  constructor(status: number, code: ErrorCodeName, detail: string, members: Readonly<Record<string, unknown>> = {}) {
    super(detail);
    this.name = 'Fault';
    this.status = status;
    this.code = code;
    this.members = members;
  }
}

export interface FaultDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCodeName;
  readonly hint: string;
}

export function faultDocument(fault: Fault): FaultDocument {
  const { title, hint } = errorCodes[fault.code];
  return {
    type: `errors#${fault.code}`,
    title,
    status: fault.status,
    detail: fault.message,
    code: fault.code,
    hint,
    ...fault.members,
  };
}

/** Statuses of what control refuses to do. */
const statusOfCode: Readonly<Record<string, number>> = {
  CH1390: 409,
  CH1391: 409,
  CH1392: 404,
  CH1722: 409,
  CH1723: 400,
  CH1833: 400,
  CH1834: 400,
  CH1884: 409,
};

/** Too much was asked for; the header `Retry-After` says the same. */
export function tooMany(detail: string, retryAfterSeconds: number): Fault {
  return new Fault(429, 'CH1721', detail, { retryAfterSeconds });
}

/** Any thrown value as a Fault; `expected` false: it belongs in the log. */
export function asFault(error: unknown): { readonly fault: Fault; readonly expected: boolean } {
  if (error instanceof Fault) return { fault: error, expected: true };
  if (error instanceof AppError) {
    const status = statusOfCode[error.code] ?? (error.retryable ? 503 : 500);
    return {
      fault: new Fault(status, error.code, error.message.replace(/^\[\w+\] /, ''), { hint: error.hint }),
      expected: status < 500,
    };
  }
  const status = (error as { statusCode?: unknown } | undefined)?.statusCode;
  if (status === 413) return { fault: new Fault(413, 'CH1705', 'the body is larger than 4 MiB'), expected: true };
  if (typeof status === 'number' && status >= 400 && status < 500)
    return {
      fault: new Fault(status, 'CH1704', error instanceof Error ? error.message : 'bad request'),
      expected: true,
    };
  return { fault: new Fault(500, 'CH1708', 'the request could not be completed'), expected: false };
}
