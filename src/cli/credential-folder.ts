// The folder of one node's credential: what Envoy reads, what gRPC libraries read, and what `chancery renew` needs to know.
// It must not know how a credential is got. Invariant: each file is replaced whole, and the record of the credential last, so
// that a folder with a record has everything else.
import { resolve } from 'node:path';
import type { EnrolledJson } from '../control/enrolment-doors.ts';
import { defined } from '../model/defined.ts';
import { certificateDocument, rootsDocument, tokenDocument } from '../translate/xds-credentials.ts';
import { AppError } from '../util/errors.ts';
import type { Io } from './io.ts';

/** How the control plane is known: by the mesh's own authority, or by files that somebody named. */
export type PlaneTrust =
  | { readonly kind: 'mesh' }
  | { readonly kind: 'files'; readonly ca: string; readonly name: string };

/** `credential.json`. No secret is in it. */
export interface CredentialRecord {
  readonly version: 1;
  readonly node: string;
  readonly kind: 'token' | 'certificate';
  /** URL where it is renewed. */
  readonly server: string;
  /** `HOST:PORT` where it serves proxies. Absent in records of before this was written. */
  readonly xds?: string;
  readonly trust: PlaneTrust;
  readonly controlPlane: string;
  readonly principal: EnrolledJson['principal'];
  readonly issuedAtMs: number;
  readonly notAfterMs: number;
}

export interface CredentialFolder {
  /** Absolute. */
  readonly path: string;
  readonly files: Readonly<Record<keyof typeof fileNames, string>>;
  /** Undefined: there is no credential. Throws CH1854 where there is one that cannot be read. */
  record(): CredentialRecord | undefined;
  /** The token, or the certificate with its key. Throws CH1854. */
  secret(record: CredentialRecord): { readonly token: string } | { readonly chain: string; readonly key: string };
  /** PEM of the authorities. Throws CH1854. */
  roots(): string;
  /** Other authorities from now on; the credential stays. */
  writeRoots(roots: string): Promise<void>;
  prepare(): Promise<void>;
  /** `key`: PEM, of a certificate. */
  write(
    enrolled: EnrolledJson,
    about: Pick<CredentialRecord, 'node' | 'server' | 'xds' | 'trust'>,
    key?: string,
  ): Promise<void>;
}

const fileNames = {
  record: 'credential.json',
  rootsPem: 'roots.pem',
  rootsSecret: 'roots.json',
  tokenSecret: 'token.json',
  certificateSecret: 'certificate.json',
  chain: 'node.pem',
  key: 'node.key',
} as const;

export function credentialFolder(
  { readText, privateFiles }: Pick<Io, 'readText' | 'privateFiles'>,
  folder: string,
): CredentialFolder {
  const path = resolve(folder);
  const at = (name: string): string => `${path}/${name}`;
  const files = Object.fromEntries(
    Object.entries(fileNames).map(([key, name]) => [key, at(name)]),
  ) as CredentialFolder['files'];
  const broken = (file: string): AppError =>
    new AppError('CH1854', `"${file}" is missing or is not what was written there`, {
      hint: `Check that this user may read and write the folder, and that nobody else may. What is lost is got by joining again: chancery bootstrap NODE --join TOKEN --credentials ${path} --replace.`,
    });
  const read = (file: string): string => {
    const text = readText(file);
    if (text === undefined) throw broken(file);
    return text;
  };
  const json = (value: object): string => `${JSON.stringify(value, null, 2)}\n`;

  const put = (file: keyof typeof fileNames, text: string): Promise<void> =>
    privateFiles.write(path, fileNames[file], text);
  async function writeRoots(roots: string): Promise<void> {
    await put('rootsPem', roots);
    await put('rootsSecret', json(rootsDocument(roots)));
  }

  return {
    path,
    files,
    record() {
      const text = readText(files.record);
      if (text === undefined) return undefined;
      const record = readRecord(text);
      if (record === undefined) throw broken(files.record);
      return record;
    },
    secret({ kind }) {
      if (kind === 'certificate') return { chain: read(files.chain), key: read(files.key) };
      const token = /"Bearer ([^"\s]+)"/.exec(read(files.tokenSecret))?.[1];
      if (token === undefined) throw broken(files.tokenSecret);
      return { token };
    },
    roots: () => read(files.rootsPem),
    prepare: () => privateFiles.folder(path),
    writeRoots,
    async write(enrolled, about, key = '') {
      const { credential, roots, ...rest } = enrolled;
      await writeRoots(roots);
      if (credential.kind === 'token') await put('tokenSecret', json(tokenDocument(credential.token)));
      else {
        await put('key', key);
        await put('chain', credential.chain);
        await put('certificateSecret', json(certificateDocument(credential.chain, key)));
      }
      const record: CredentialRecord = { version: 1, ...about, kind: credential.kind, ...rest };
      await put('record', json(record));
    },
  };
}

/** When half of its life is over. */
export function renewAtMs({ issuedAtMs, notAfterMs }: Pick<CredentialRecord, 'issuedAtMs' | 'notAfterMs'>): number {
  return issuedAtMs + (notAfterMs - issuedAtMs) / 2;
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

function parse(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function readPrincipal(value: unknown): EnrolledJson['principal'] | undefined {
  if (!isObject(value)) return undefined;
  const { id, services, gateways, nodeId } = value;
  if (!isText(id) || !Array.isArray(services) || !Array.isArray(gateways)) return undefined;
  if (![...services, ...gateways].every(isText) || (nodeId !== undefined && !isText(nodeId))) return undefined;
  return defined({ id, services, gateways, nodeId }) as EnrolledJson['principal'];
}

/** What a control plane answered; undefined where it is none of its answers. */
export function readEnrolled(text: string): EnrolledJson | undefined {
  const { credential, roots, controlPlane, issuedAtMs, notAfterMs, ...rest } = parse(text) ?? {};
  const principal = readPrincipal(rest['principal']);
  if (principal === undefined || !isObject(credential) || !isText(roots) || !isText(controlPlane)) return undefined;
  if (!isTime(issuedAtMs) || !isTime(notAfterMs) || !(notAfterMs > issuedAtMs)) return undefined;
  const { kind, token, chain } = credential;
  const times = { issuedAtMs, notAfterMs };
  // It is to stand in a header.
  if (kind === 'token' && isText(token) && /^[\w.~+/=-]+$/.test(token))
    return { credential: { kind, token }, roots, controlPlane, principal, ...times };
  if (kind === 'certificate' && isText(chain))
    return { credential: { kind, chain }, roots, controlPlane, principal, ...times };
  return undefined;
}

function readRecord(text: string): CredentialRecord | undefined {
  const { version, node, kind, server, trust, controlPlane, issuedAtMs, notAfterMs, ...rest } = parse(text) ?? {};
  const principal = readPrincipal(rest['principal']);
  if (version !== 1 || (kind !== 'token' && kind !== 'certificate') || principal === undefined) return undefined;
  if (!isText(node) || !isText(server) || !isText(controlPlane) || !isTime(issuedAtMs) || !isTime(notAfterMs))
    return undefined;
  if (!isObject(trust)) return undefined;
  const { ca, name } = trust;
  const known: PlaneTrust | undefined =
    trust['kind'] === 'mesh' ? { kind: 'mesh' } : isText(ca) && isText(name) ? { kind: 'files', ca, name } : undefined;
  if (known === undefined) return undefined;
  const { xds } = rest;
  return {
    ...{ version, node, kind, server, trust: known, controlPlane, principal, issuedAtMs, notAfterMs },
    ...(isText(xds) ? { xds } : {}),
  };
}
