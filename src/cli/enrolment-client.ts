// Asks a control plane for a credential: with a join token, or with the current credential. It must not know folders.
// Invariants: a secret is sent over TLS to whom the token or the folder pins, or within this machine, or not at all; no
// secret is in an error.
import { createHash, generateKeyPair, X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';
import { type EnrolledJson, enrolmentPaths } from '../control/enrolment-doors.ts';
import { readJoinToken } from '../identity/join-token-text.ts';
import { type ErrorCodeName, errorCodes } from '../util/error-codes.ts';
import { AppError } from '../util/errors.ts';
import { isLoopback } from '../util/host-port.ts';
import { certificateBlocks } from '../util/pem.ts';
import { readEnrolled } from './credential-folder.ts';
import type { Io } from './io.ts';
import { plainText } from './plain-text.ts';
import type { Expected, SecureAnswer } from './secure-request.ts';

export interface Asked {
  readonly enrolled: EnrolledJson;
  /** PEM of the key, of a certificate. */
  readonly key?: string;
}

export type Secret = { readonly token: string } | { readonly chain: string; readonly key: string };

type Outside = Pick<Io, 'fetch' | 'secureFetch' | 'signal'>;

interface Question {
  readonly server: string;
  readonly path: string;
  readonly method?: 'GET' | 'POST';
  readonly expected: Expected;
  readonly body?: object;
  readonly secret?: Secret;
}

/** Redeems a join token. `expected` undefined: the control plane is known by what the token pins. */
export async function askToJoin(
  io: Outside,
  request: {
    readonly server: string;
    readonly token: string;
    readonly expected?: Expected;
    readonly certificate: boolean;
  },
): Promise<Asked> {
  const parts = readJoinToken(request.token);
  if (parts === undefined)
    throw new AppError('CH1851', 'what --join names is no join token', {
      hint: 'It begins with cj1. and is printed by `chancery token create`.',
    });
  const { server } = request;
  const expected = request.expected ?? (isPlain(server) ? { who: 'nobody' } : await pinned(io, server, parts.pin));
  return enrol(
    io,
    { server, path: enrolmentPaths.join, expected, body: { token: request.token } },
    request.certificate,
  );
}

/** Another credential for the current one, of the same kind. */
export function askToRenew(
  io: Outside,
  request: { readonly server: string; readonly secret: Secret; readonly expected: Expected },
): Promise<Asked> {
  const { server, secret, expected } = request;
  return enrol(io, { server, path: enrolmentPaths.renew, expected, secret, body: {} }, 'chain' in secret);
}

/** PEM of every authority of the mesh, told by a control plane that is known. */
export async function askForRoots(
  io: Outside,
  { server, expected }: { readonly server: string; readonly expected: Expected },
): Promise<string> {
  const question: Question = { server, path: enrolmentPaths.roots, method: 'GET', expected };
  const answer = await ask(io, question);
  if (answer.status !== 200) throw failure(question, answer);
  const roots = certificatesOf(answer.body);
  if (roots.length === 0) throw new AppError('CH1606', `${server} answered, but not as Chancery does`);
  return roots.join('');
}

async function enrol(io: Outside, question: Question, certificate: boolean): Promise<Asked> {
  const pair = certificate ? await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' }) : undefined;
  const publicKey = pair?.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
  const body = { ...question.body, ...(publicKey === undefined ? {} : { publicKey }) };
  const answer = await ask(io, { ...question, body });
  if (answer.status !== 200) throw failure(question, answer);
  const enrolled = readEnrolled(answer.body);
  if (enrolled === undefined) throw new AppError('CH1606', `${question.server} answered, but not as Chancery does`);
  if (pair === undefined || enrolled.credential.kind !== 'certificate') return { enrolled };
  return { enrolled, key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

/** The authority whose key the token names: shown by the server itself, and told from others by that name. */
async function pinned(io: Outside, server: string, pin: string | undefined): Promise<Expected> {
  if (pin === undefined)
    throw new AppError('CH1852', 'the join token does not say by which authority the control plane is known', {
      hint: 'Name its PEM with --xds-ca, or make a token with the server that issues certificates.',
    });
  const question: Question = { server, path: enrolmentPaths.roots, method: 'GET', expected: { who: 'nobody' } };
  const answer = await ask(io, question);
  if (answer.status !== 200) throw failure(question, answer);
  const ca = certificatesOf(answer.body).find((pem) => keyId(pem) === pin);
  if (ca === undefined) throw new AppError('CH1852', `${server} is of another authority than the join token`);
  return { who: 'control-plane', ca };
}

function certificatesOf(body: string): readonly string[] {
  let roots: unknown;
  try {
    ({ roots } = JSON.parse(body) as { readonly roots?: unknown });
  } catch {
    return [];
  }
  return typeof roots === 'string' ? certificateBlocks(roots).map((pem) => `${pem}\n`) : [];
}

/** As `Root.keyId`. */
function keyId(pem: string): string | undefined {
  try {
    const key = new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' });
    return createHash('sha256').update(key).digest('hex');
  } catch {
    return undefined;
  }
}

/** Without TLS, which only this machine may do. Throws CH1857 for others. */
function isPlain(server: string): boolean {
  const url = URL.canParse(server) ? new URL(server) : undefined;
  if (url === undefined) throw new AppError('CH1601', `"${server}" is not a URL`);
  if (url.protocol === 'https:') return false;
  if (isLoopback(url.hostname)) return true;
  throw new AppError('CH1857', `${url.origin} is asked in plaintext, and is not on this machine`);
}

async function ask(
  io: Outside,
  { server, path, method = 'POST', expected, body, secret }: Question,
): Promise<SecureAnswer> {
  const url = `${server.replace(/\/+$/, '')}${path}`;
  const headers = {
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    ...(secret !== undefined && 'token' in secret ? { authorization: `Bearer ${secret.token}` } : {}),
  };
  const { signal } = io;
  const text = body === undefined ? {} : { body: JSON.stringify(body) };
  if (!isPlain(server)) {
    const certificate = secret !== undefined && 'chain' in secret ? { certificate: secret } : {};
    return io.secureFetch({ url, method, expected, headers, signal, ...text, ...certificate });
  }
  try {
    const response = await io.fetch(url, { method, headers, signal, ...text });
    return { status: response.status, body: await response.text() };
  } catch (cause) {
    throw new AppError('CH1606', `no answer from ${server}`, { cause, retryable: true });
  }
}

function failure({ server }: Question, { status, body }: SecureAnswer): AppError {
  let document: { readonly code?: unknown; readonly detail?: unknown; readonly hint?: unknown } = {};
  try {
    document = (JSON.parse(body) ?? {}) as typeof document;
  } catch {
    // Not of ours.
  }
  const { code, detail, hint } = document;
  if (typeof code !== 'string' || !Object.hasOwn(errorCodes, code))
    return new AppError('CH1606', `${server} answered ${status}, which is not Chancery's API`);
  return new AppError(code as ErrorCodeName, `${server}: ${plainText(String(detail))}`, {
    retryable: status >= 429,
    ...(typeof hint === 'string' ? { hint } : {}),
  });
}
