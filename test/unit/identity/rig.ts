// What the tests of identity share: a store in memory, a log that is kept, tokens that are wrong in one way, and the whole
// put together as the program does.
import { createHmac, type KeyObject, sign } from 'node:crypto';
import { createAuthenticator } from '../../../src/identity/authenticator.ts';
import { createCertificateVerifier } from '../../../src/identity/client-certificate.ts';
import type { Authenticator } from '../../../src/identity/contract.ts';
import { createNodeTokens, type NodeTokens } from '../../../src/identity/node-token.ts';
import { createRevocations, type Revocations } from '../../../src/identity/revocations.ts';
import { createSigningKeys, type SigningKeys } from '../../../src/identity/signing-keys.ts';
import type { Caller, Credentials, Principal } from '../../../src/model/principal.ts';
import { type Store, type StoreEntry, storeKey } from '../../../src/model/store.ts';
import type { LogFields, Logger } from '../../../src/util/log.ts';
import type { Metrics } from '../../../src/util/metrics.ts';
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts';
import { makeCertificate, uri } from './certificates.ts';

export const trustDomain = 'shop.example';
export const webId = `spiffe://${trustDomain}/svc/web`;

export interface RecordedLine {
  readonly level: string;
  readonly message: string;
  readonly fields: LogFields;
}

export interface Recorder extends Logger {
  readonly lines: RecordedLine[];
  text(): string;
}

export function createRecorder(): Recorder {
  const lines: RecordedLine[] = [];
  const at =
    (level: string) =>
    (message: string, fields: LogFields = {}): void =>
      void lines.push({ level, message, fields });
  const recorder: Recorder = {
    lines,
    text: () => JSON.stringify(lines),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => recorder,
  };
  return recorder;
}

export interface TestStore extends Store {
  readonly entries: Map<string, StoreEntry>;
  /** Further calls fail. */
  broken: boolean;
}

/** Every call gives way to others before it acts. */
export function createTestStore(): TestStore {
  const entries = new Map<string, StoreEntry>();
  let revision = 0;
  const turn = async (): Promise<void> => {
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (store.broken) throw new Error('the store is away');
  };
  const store: TestStore = {
    kind: 'memory',
    entries,
    broken: false,
    async get(key) {
      await turn();
      return entries.get(key);
    },
    async list(prefix) {
      await turn();
      return new Map([...entries].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1)));
    },
    async put(key, value, expect) {
      await turn();
      if (!storeKey.test(key)) throw new Error(`no key: ${key}`);
      if (entries.get(key)?.revision !== (expect === 'absent' ? undefined : expect.revision)) return undefined;
      entries.set(key, { value, revision: String(++revision) });
      return String(revision);
    },
    async delete(key, expect) {
      await turn();
      if (entries.get(key)?.revision !== expect.revision) return false;
      return entries.delete(key);
    },
  };
  return store;
}

export interface Counted extends Metrics {
  /** `authentications_total{consul,accepted}` -> 1. */
  readonly counts: Map<string, number>;
}

export function createCounted(): Counted {
  const counts = new Map<string, number>();
  const nothing = { add: () => {}, set: () => {}, observe: () => {} };
  return {
    counts,
    counter: (name) => ({
      add(labels, by = 1) {
        const key = `${name}{${Object.values(labels).join()}}`;
        counts.set(key, (counts.get(key) ?? 0) + by);
      },
    }),
    gauge: () => nothing,
    histogram: () => nothing,
  };
}

/** Sealing that only binds the bytes to their path. */
export const plainSeal = {
  seal: (plain: Uint8Array, path: string): Uint8Array => Buffer.from(JSON.stringify({ path, plain: [...plain] })),
  open(sealed: Uint8Array, path: string): Uint8Array {
    const read = JSON.parse(Buffer.from(sealed).toString()) as { path: string; plain: number[] };
    if (read.path !== path) throw new Error('sealed for another place');
    return Buffer.from(read.plain);
  },
};

export interface Rig {
  readonly clock: FakeClock;
  readonly log: Recorder;
  readonly metrics: Counted;
  readonly store: TestStore;
  readonly keys: SigningKeys;
  readonly tokens: NodeTokens;
  readonly revocations: Revocations;
  readonly authenticator: Authenticator;
}

export async function createRig(): Promise<Rig> {
  const clock = createFakeClock();
  const [log, metrics, store] = [createRecorder(), createCounted(), createTestStore()];
  const keys = createSigningKeys({ store, ...plainSeal, clock, log });
  await keys.open();
  const tokens = createNodeTokens({ keys, clock }, { trustDomain });
  const revocations = createRevocations({ store, clock, log, metrics });
  await revocations.open();
  const certificates = createCertificateVerifier({ clock }, { trustDomain });
  const authenticator = createAuthenticator({
    verifiers: [tokens, certificates],
    revocations,
    clock,
    log,
    metrics,
  });
  return { clock, log, metrics, store, keys, tokens, revocations, authenticator };
}

export function credentials(parts: Partial<Credentials> = {}): Credentials {
  return { tls: true, authorization: [], consulToken: [], address: '192.0.2.7', ...parts };
}

export function bearer(text: string): Credentials {
  return credentials({ authorization: [`Bearer ${text}`] });
}

/** The cause, or `accepted`. */
export function outcome(caller: Caller | undefined): string {
  if (caller === undefined) return 'not asked';
  return 'refused' in caller ? caller.cause : 'accepted';
}

export function principal(caller: Caller | undefined): Principal {
  if (caller === undefined || 'refused' in caller) throw new Error(`no principal: ${outcome(caller)}`);
  return caller;
}

/** A certificate of service `web`, valid for a day around now. */
export function webCertificate(clock: FakeClock, id = webId, serial?: Uint8Array): Uint8Array {
  const day = 86_400_000;
  const times = { notBeforeMs: clock.wall() - day, notAfterMs: clock.wall() + day };
  return makeCertificate({ names: [uri(id)], ...times, ...(serial === undefined ? {} : { serial }) });
}

type Json = Readonly<Record<string, unknown>>;
const part = (value: Json): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Claims as the control plane writes them. */
export function goodClaims(clock: FakeClock): Record<string, unknown> {
  const now = Math.floor(clock.wall() / 1000);
  return {
    sub: webId,
    aud: `chancery:${trustDomain}`,
    jti: '00112233445566778899aabbccddeeff',
    iat: now,
    nbf: now - 60,
    exp: now + 3600,
    services: ['web'],
    gateways: [],
  };
}

export function goodHeader(keys: SigningKeys): Record<string, unknown> {
  return { alg: 'ES256', kid: keys.signer().kid, typ: 'chancery-node+jwt' };
}

/** Signed by ECDSA and SHA-256, whatever the header says. */
export function signJwt(header: Json, claims: Json, key: KeyObject): string {
  const input = `${part(header)}.${part(claims)}`;
  return `${input}.${sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

/** Signed with a shared secret. */
export function signHmac(header: Json, claims: Json, secret: string | Buffer): string {
  const input = `${part(header)}.${part(claims)}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

export function unsigned(header: Json, claims: Json): string {
  return `${part(header)}.${part(claims)}.AA`;
}
