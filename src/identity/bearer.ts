// The token of an `authorization: Bearer` header, and what can be seen of a JWT before it is believed.
// It must not know issuers. Invariant: nothing read here is trusted; it only says which verifier is to look.
import type { Credentials } from '../model/principal.ts';

/** Characters of a token; above it nothing is looked at. */
export const maxTokenLength = 8192;

const bearer = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i;

/**
 * The compact JWT of the one header; empty where it holds none; undefined: there is no header, or more than one. Strict: one
 * space, no padding, nothing behind.
 */
export function bearerToken(credentials: Credentials): string | undefined {
  const [header, ...more] = credentials.authorization;
  if (header === undefined || more.length > 0) return undefined;
  if (header.length > maxTokenLength + 'Bearer '.length) return '';
  return bearer.exec(header)?.[1] ?? '';
}

/** A member of the unverified header or payload, if it is a text. */
export function unverified(token: string, part: 'header' | 'payload', member: string): string | undefined {
  const [header = '', payload = ''] = token.split('.');
  try {
    const json = Buffer.from(part === 'header' ? header : payload, 'base64url').toString('utf8');
    const value: unknown = JSON.parse(json);
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, member)) return undefined;
    const found = (value as Readonly<Record<string, unknown>>)[member];
    return typeof found === 'string' ? found : undefined;
  } catch {
    return undefined;
  }
}
