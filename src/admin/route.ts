// One line of the API: method, path, what it takes and what it does. Server and OpenAPI are both made from these.
// Invariant: a GET changes nothing; a line is open (no token) only with a reason beside it.
import type { ServerResponse } from 'node:http';
import type { z } from 'zod';
import { Fault } from './fault.ts';

export interface Request {
  /** `host:port` as the client named this server. */
  readonly host: string;
  /** Of the client, without its port. */
  readonly address: string;
  /** Every `authorization` header, in order. */
  readonly authorization: readonly string[];
  readonly params: unknown;
  readonly query: unknown;
  /** Text of the body; JSON is parsed by the handler. */
  readonly body: string;
}

export interface Reply {
  readonly status?: number;
  readonly contentType?: string;
  /** Text is sent as it is, anything else as JSON. */
  readonly body: unknown;
}

export interface RouteLine {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly summary: string;
  /** Why no token is asked for; absent: it is. */
  readonly open?: string;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: { readonly contentTypes: readonly string[]; readonly description: string };
  /** `stream`: it writes the response itself. */
  readonly handle:
    | ((request: Request) => Reply | Promise<Reply>)
    | { readonly stream: (response: ServerResponse, signal: AbortSignal) => void };
}

export const jsonReply = (body: unknown, status = 200): Reply => ({ body, status });

/** The parsed input, or a 400 that names every fault. */
export function read<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.map((issue) => ({ field: issue.path.join('.'), reason: issue.message }));
  throw new Fault(
    400,
    'CH1704',
    fields.map(({ field, reason }) => (field === '' ? reason : `"${field}": ${reason}`)).join('; '),
    { fields },
  );
}
