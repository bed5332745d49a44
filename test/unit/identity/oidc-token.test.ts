// Tokens of another issuer: its keys from a file, what is pinned, and what its subjects may be.
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Verifier } from '../../../src/identity/contract.ts';
import { createOidcVerifier, type OidcOptions } from '../../../src/identity/oidc-token.ts';
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';
import { newKeys } from './certificates.ts';
import {
  bearer,
  createRecorder,
  credentials,
  outcome,
  principal,
  signHmac,
  signJwt,
  trustDomain,
  unsigned,
} from './rig.ts';

const issuer = 'https://issuer.example';
const keys = newKeys();
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const log = createRecorder();

let dir: TempDir;
let clock: FakeClock;
let jwksFile: string;
beforeEach(() => {
  dir = createTempDir('oidc');
  clock = createFakeClock();
  jwksFile = join(dir.path, 'jwks.json');
  writeJwks({ one: keys.publicKey, rsa: rsa.publicKey });
});
afterEach(() => dir.remove());

const jwk = (kid: string, key: KeyObject): object => ({ ...key.export({ format: 'jwk' }), kid, use: 'sig' });
function writeJwks(own: Readonly<Record<string, KeyObject>>, to = jwksFile): void {
  writeFileSync(to, JSON.stringify({ keys: Object.entries(own).map(([kid, key]) => jwk(kid, key)) }));
}

const claims = (): Record<string, unknown> => {
  const now = Math.floor(clock.wall() / 1000);
  const sub = 'system:serviceaccount:prod:web';
  return { iss: issuer, aud: ['chancery', 'other'], sub, iat: now, nbf: now, exp: now + 600, jti: 'Any/Text' };
};
const header = { alg: 'ES256', kid: 'one' };
const token = (changed: Record<string, unknown> = {}, ownHeader: Record<string, unknown> = {}): string =>
  signJwt({ ...header, ...ownHeader }, { ...claims(), ...changed }, keys.privateKey);

const rules: OidcOptions['rules'] = [
  { subject: 'system:serviceaccount:edge:gateway', gateways: ['edge'] },
  { subject: 'system:serviceaccount:default:{name}', services: ['{name}'] },
  { subject: 'system:serviceaccount:{namespace}:{name}', services: ['{namespace}|{name}'] },
];
const verifier = (options: Partial<OidcOptions> = {}): Verifier =>
  createOidcVerifier({ clock, log }, { trustDomain, issuer, audience: 'chancery', jwksFile, rules, ...options });

describe('a token of another issuer', () => {
  it('is who the rules say', async () => {
    const own = verifier();
    const subject = async (sub: string) => principal(await own.verify(bearer(token({ sub }))));
    const web = await subject('system:serviceaccount:prod:web');
    expect(web).toEqual({
      id: `spiffe://${trustDomain}/ns/prod/svc/web`,
      services: ['prod|web'],
      gateways: [],
      notAfterMs: clock.wall() + 600_000,
      credential: { kind: 'oidc', id: expect.stringMatching(/^[0-9a-f]{32}$/) },
    });
    expect((await subject('system:serviceaccount:default:api')).services).toEqual(['api']);
    expect(await subject('system:serviceaccount:edge:gateway')).toMatchObject({
      id: `spiffe://${trustDomain}/gateway/edge`,
      services: [],
      gateways: ['edge'],
    });
  });

  it('has an id that revokes it, with a jti and without', async () => {
    const own = verifier();
    const idOf = async (changed: Record<string, unknown>) =>
      principal(await own.verify(bearer(token(changed)))).credential.id;
    expect(await idOf({ jti: 'a' })).toBe(await idOf({ jti: 'a', extra: 1 }));
    expect(await idOf({ jti: 'a' })).not.toBe(await idOf({ jti: 'b' }));
    expect(await idOf({ jti: undefined })).not.toBe(await idOf({ jti: undefined, extra: 1 }));
  });

  it('T17: by RSA, where that is allowed', async () => {
    const input = token({}, { alg: 'RS256', kid: 'rsa' }).split('.').slice(0, 2).join('.');
    const text = `${input}.${sign('sha256', Buffer.from(input), rsa.privateKey).toString('base64url')}`;
    expect(outcome(await verifier().verify(bearer(text)))).toBe('accepted');
    expect(outcome(await verifier({ algorithms: ['ES256'] }).verify(bearer(text)))).toBe('wrong-algorithm');
  });

  it.each<[string, string, () => string]>([
    ['T17: none', 'wrong-algorithm', () => unsigned({ ...header, alg: 'none' }, claims())],
    [
      'T17: the public key as secret',
      'wrong-algorithm',
      () => signHmac({ ...header, alg: 'HS256' }, claims(), keys.publicKey.export({ type: 'spki', format: 'pem' })),
    ],
    ['T17: no kid', 'unknown-key', () => token({}, { kid: undefined })],
    ['T17: unknown kid', 'unknown-key', () => token({}, { kid: 'two' })],
    ['T17: the kid of a key of another kind', 'unknown-key', () => token({}, { kid: 'rsa' })],
    ['a foreign key', 'bad-signature', () => signJwt(header, claims(), newKeys().privateKey)],
    ['another audience', 'wrong-audience', () => token({ aud: 'other' })],
    ['no audience', 'malformed', () => token({ aud: undefined })],
    ['no subject', 'malformed', () => token({ sub: undefined })],
    ['no end', 'malformed', () => token({ exp: undefined })],
    ['an end beyond any calendar', 'malformed', () => token({ exp: 1e300 })],
    ['no beginning', 'malformed', () => token({ iat: undefined })],
    ['expired', 'expired', () => token({ exp: Math.floor(clock.wall() / 1000) })],
    ['not yet valid', 'not-yet-valid', () => token({ nbf: Math.floor(clock.wall() / 1000) + 1 })],
    ['a subject of no rule', 'not-entitled', () => token({ sub: 'system:node:web' })],
    ['a subject with a place too much', 'not-entitled', () => token({ sub: 'system:serviceaccount:a:b:c' })],
    ['a subject that only ends like one', 'not-entitled', () => token({ sub: 'x system:serviceaccount:prod:web' })],
    ['a subject with a line end', 'not-entitled', () => token({ sub: 'system:serviceaccount:prod:web\n' })],
    ['a subject whose name has no id', 'not-entitled', () => token({ sub: 'system:serviceaccount:prod:..' })],
    ['a subject that is no text', 'malformed', () => token({ sub: 7 })],
  ])('%s: %s', async (_, expected, text) => {
    expect(outcome(await verifier().verify(bearer(text())))).toBe(expected);
  });

  it('is another verifier’s where another issuer is named', () => {
    const own = verifier();
    for (const iss of ['https://issuer.example/', 'https://other.example', undefined, 7])
      expect(own.verify(bearer(token({ iss })))).toBeUndefined();
    expect(own.verify(bearer('x'))).toBeUndefined();
    expect(own.verify(credentials())).toBeUndefined();
  });
});

describe('T17: the file of keys', () => {
  const asked = async (own: Verifier, text = token()): Promise<string> => {
    clock.advance(1000);
    return outcome(await own.verify(bearer(text)));
  };

  it('is read again when it is replaced, by rename and by a link', async () => {
    const link = join(dir.path, 'link');
    const version = (name: string, own: Readonly<Record<string, KeyObject>>): void => {
      mkdirSync(join(dir.path, name));
      writeJwks(own, join(dir.path, name, 'jwks.json'));
      symlinkSync(join(dir.path, name), `${link}.new`);
      renameSync(`${link}.new`, link);
    };
    version('v1', { one: keys.publicKey });
    const own = verifier({ jwksFile: join(link, 'jwks.json') });
    expect(await asked(own)).toBe('accepted');
    version('v2', { two: keys.publicKey });
    expect(await asked(own)).toBe('unknown-key');
    expect(await asked(own, token({}, { kid: 'two' }))).toBe('accepted');
    const file = join(dir.path, 'v2', 'jwks.json');
    writeJwks({ three: keys.publicKey }, `${file}.new`);
    renameSync(`${file}.new`, file);
    expect(await asked(own, token({}, { kid: 'two' }))).toBe('unknown-key');
    expect(await asked(own, token({}, { kid: 'three' }))).toBe('accepted');
  });

  it.each<[string, () => void]>([
    ['gone', () => rmSync(jwksFile)],
    ['empty', () => writeFileSync(jwksFile, '')],
    ['garbage', () => writeFileSync(jwksFile, '{"keys":')],
    [
      'a folder',
      () => {
        rmSync(jwksFile);
        mkdirSync(jwksFile);
      },
    ],
    ['without keys', () => writeFileSync(jwksFile, '{"keys":[]}')],
    ['a list', () => writeFileSync(jwksFile, '[]')],
    ['null', () => writeFileSync(jwksFile, 'null')],
    [
      'a key without an id',
      () => writeFileSync(jwksFile, JSON.stringify({ keys: [{ ...keys.publicKey.export({ format: 'jwk' }) }] })),
    ],
    [
      'two keys of one id',
      () => writeFileSync(jwksFile, JSON.stringify({ keys: [jwk('one', keys.publicKey), jwk('one', keys.publicKey)] })),
    ],
    ['a shared secret', () => writeFileSync(jwksFile, '{"keys":[{"kty":"oct","kid":"one","k":"AAAA"}]}')],
    ['a private key', () => writeFileSync(jwksFile, JSON.stringify({ keys: [jwk('one', keys.privateKey)] }))],
    ['too large', () => writeFileSync(jwksFile, ' '.repeat(1_048_577))],
  ])('%s: nobody is let in until it is good again', async (_, spoil) => {
    const own = verifier();
    expect(await asked(own)).toBe('accepted');
    spoil();
    expect(await asked(own)).toBe('unavailable');
    rmSync(jwksFile, { recursive: true, force: true });
    writeJwks({ one: keys.publicKey });
    expect(await asked(own)).toBe('accepted');
  });

  it('is asked for once by many at a time, and said once to be bad', async () => {
    const before = log.lines.length;
    writeFileSync(jwksFile, '?');
    const own = verifier();
    const text = token();
    const answers = await Promise.all(Array.from({ length: 20 }, async () => await own.verify(bearer(text))));
    expect(new Set(answers.map(outcome))).toEqual(new Set(['unavailable']));
    expect(await asked(own, text)).toBe('unavailable');
    const told = log.lines.slice(before).filter(({ level }) => level === 'error');
    expect(told).toHaveLength(1);
    expect(JSON.stringify(told)).toContain('CH1836');
  });

  it('lets nobody in before it is there', async () => {
    rmSync(jwksFile);
    const own = verifier();
    expect(await asked(own)).toBe('unavailable');
    writeJwks({ one: keys.publicKey });
    expect(await asked(own)).toBe('accepted');
  });
});

describe('rules that cannot be used', () => {
  it.each<[string, Partial<OidcOptions>]>([
    ['a shared-secret algorithm', { algorithms: ['ES256', 'HS256'] }],
    ['no algorithm', { algorithms: ['none'] }],
    ['places side by side', { rules: [{ subject: '{a}{b}', services: ['{a}'] }] }],
    ['places parted by a character of names', { rules: [{ subject: 'x:{a}-{b}', services: ['{a}'] }] }],
    ['a place twice', { rules: [{ subject: '{a}:{a}', services: ['{a}'] }] }],
    ['a brace too much', { rules: [{ subject: 'x:{a}}', services: ['{a}'] }] }],
    ['a place that is not there', { rules: [{ subject: 'x:{a}', services: ['{b}'] }] }],
    ['nothing given', { rules: [{ subject: 'x:{a}' }] }],
  ])('%s', (_, options) => {
    expect(() => verifier(options)).toThrow(expect.objectContaining({ code: 'CH1837' }) as Error);
  });
});
