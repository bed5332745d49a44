// One line of the API: method, path, what it takes and what it does. Server and OpenAPI are both made from these.
// Invariant: a GET changes nothing; every line says who may ask, and is open to anybody only with a reason beside it.
import type { ServerResponse } from 'node:http';
import type { z } from 'zod';
import type { AccessClass, Asker } from '../model/access.ts';
import type { LogFields } from '../util/log.ts';
import { Fault } from './fault.ts';

export interface Request {
  /** `host:port` as the client named this server. */
  readonly host: string;
  /** Of the client, without its port. */
  readonly address: string;
  /** It came over TLS that we ended. */
  readonly tls: boolean;
  readonly asker: Asker;
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
  /** For the audit log: what was changed, by names and ids. Never a secret, nor text that a user wrote. */
  readonly audit?: LogFields;
}

export interface RouteLine {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly summary: string;
  /** Who may ask; `open`: anybody, and why no token is asked for. */
  readonly access: Extract<AccessClass, 'reading' | 'editing' | 'operating'> | { readonly open: string };
  /** Not counted: probes must not fail because others ask much. */
  readonly uncounted?: true;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: { readonly contentTypes: readonly string[]; readonly description: string };
  /** `stream`: it writes the response itself. */
  readonly handle:
    | ((request: Request) => Reply | Promise<Reply>)
    | { readonly stream: (response: ServerResponse, signal: AbortSignal) => void };
}

export const jsonReply = (body: unknown, status = 200): Reply => ({ body, status });

/** The same of a change, with what the audit log is to have of it. */
export const changed = (audit: LogFields, body: unknown, status = 200): Reply => ({ body, status, audit });

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
