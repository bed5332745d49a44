// Node tokens: what must be in one, and what is issued.
import { beforeEach, describe, expect, it } from 'vitest';
import { maxTokenLength } from '../../../src/identity/bearer.ts';
import { newKeys } from './certificates.ts';
import {
  bearer,
  createRig,
  credentials,
  goodClaims,
  goodHeader,
  outcome,
  type Rig,
  signJwt,
  trustDomain,
  webId,
} from './rig.ts';

let rig: Rig;
beforeEach(async () => {
  rig = await createRig();
});

const day = 86_400_000;
const signed = (claims: Record<string, unknown>, header: Record<string, unknown> = {}): string =>
  signJwt({ ...goodHeader(rig.keys), ...header }, claims, rig.keys.signer().privateKey);
const asked = async (text: string): Promise<string> => outcome(await rig.tokens.verify(bearer(text)));

describe('T3: a claim that is not there', () => {
  it.each(['sub', 'aud', 'jti', 'iat', 'nbf', 'exp', 'services', 'gateways'])('%s', async (claim) => {
    const claims = goodClaims(rig.clock);
    expect(await asked(signed(claims))).toBe('accepted');
    delete claims[claim];
    expect(await asked(signed(claims))).toBe('malformed');
  });
});

describe('T3: a claim of another form', () => {
  it.each<[string, unknown]>([
    ['sub', 7],
    ['sub', 'web'],
    ['sub', `${webId}/`],
    ['aud', [`chancery:${trustDomain}`]],
    ['jti', 'short'],
    ['jti', '00112233445566778899AABBCCDDEEFF'],
    ['iat', 'now'],
    ['nbf', '0'],
    ['exp', '99999999999'],
    ['exp', 1e300],
    ['services', 'web'],
    ['services', []],
    ['services', [7]],
    ['services', ['web', 'a/b']],
    ['services', ['web', 'default|web']],
    ['services', Array.from({ length: 65 }, (_, n) => (n === 0 ? 'web' : `s${n}`))],
    ['gateways', {}],
    ['gateways', ['a/b']],
    ['node', 7],
    ['node', ''],
    ['node', 'n'.repeat(257)],
  ])('%s: %j', async (claim, value) => {
    expect(await asked(signed({ ...goodClaims(rig.clock), [claim]: value }))).toBe('malformed');
  });
});

describe('T17: the header', () => {
  it.each<[string, Record<string, unknown>, string]>([
    ['no kid', { kid: undefined }, 'unknown-key'],
    ['a kid that is no text', { kid: 7 }, 'unknown-key'],
    ['no type', { typ: undefined }, 'not asked'],
    ['another type', { typ: 'JWT' }, 'not asked'],
    ['another algorithm', { alg: 'ES384' }, 'wrong-algorithm'],
    ['a critical extension nobody knows', { crit: ['x'], x: 1 }, 'malformed'],
    ['a key of its own', { jwk: newKeys().publicKey.export({ format: 'jwk' }) }, 'accepted'],
  ])('%s: %j', async (_, header, expected) => {
    expect(await asked(signed(goodClaims(rig.clock), header))).toBe(expected);
  });

  it('never brings the key it is checked with', async () => {
    const { publicKey, privateKey } = newKeys();
    const header = { ...goodHeader(rig.keys), jwk: publicKey.export({ format: 'jwk' }) };
    expect(await asked(signJwt(header, goodClaims(rig.clock), privateKey))).toBe('bad-signature');
  });
});

it('is not looked at above its size', async () => {
  const long = signed({ ...goodClaims(rig.clock), filler: 'x'.repeat(maxTokenLength) });
  expect(await asked(long)).toBe('not asked');
  expect(outcome(await rig.authenticator.authenticate(bearer(long)))).toBe('malformed');
});

it.each([{}, { jkt: 'a'.repeat(43) }, { 'x5t#S256': 'a'.repeat(43) }])(
  'T3: that is bound to a key (%j) is not taken for one that is not',
  async (cnf) => {
    expect(await asked(signed({ ...goodClaims(rig.clock), cnf }))).toBe('malformed');
  },
);

describe('issued', () => {
  it('says all it was asked to say, with an id of its own each time', async () => {
    const request = { id: webId, services: ['web', 'prod|api'], gateways: ['edge'], nodeId: 'web-1', lifeMs: 60_000 };
    const [one, two] = [await rig.tokens.issue(request), await rig.tokens.issue(request)];
    expect(one.credentialId).toMatch(/^[0-9a-f]{32}$/);
    expect(two.credentialId).not.toBe(one.credentialId);
    expect(one.notAfterMs).toBe(rig.clock.wall() + 60_000);
    expect(await rig.tokens.verify(bearer(one.text))).toEqual({
      id: webId,
      services: ['web', 'prod|api'],
      gateways: ['edge'],
      nodeId: 'web-1',
      issuedAtMs: rig.clock.wall(),
      notAfterMs: one.notAfterMs,
      credential: { kind: 'token', id: one.credentialId },
    });
    rig.clock.advance(60_000);
    expect(await asked(one.text)).toBe('expired');
  });

  it('lives 30 days where nothing else is said, and holds on a replica whose clock is 15 minutes behind', async () => {
    const { text, notAfterMs } = await rig.tokens.issue({ id: webId, services: ['web'], gateways: [] });
    expect(notAfterMs).toBe(rig.clock.wall() + 30 * day);
    rig.clock.setWall(rig.clock.wall() - 15 * 60_000);
    expect(await asked(text)).toBe('accepted');
    rig.clock.setWall(rig.clock.wall() - 1000);
    expect(await asked(text)).toBe('not-yet-valid');
  });

  it.each([
    ['for a service it does not list', { id: webId, services: ['api'], gateways: [] }],
    ['for nobody', { id: webId, services: [], gateways: [] }],
    ['for another trust domain', { id: 'spiffe://bank.example/svc/web', services: ['web'], gateways: [] }],
    ['for the control plane', { id: `spiffe://${trustDomain}/chancery`, services: ['web'], gateways: [] }],
    ['for a name that has no id', { id: webId, services: ['web', 'a b'], gateways: [] }],
    ['for no time', { id: webId, services: ['web'], gateways: [], lifeMs: 10 }],
    ['for ever', { id: webId, services: ['web'], gateways: [], lifeMs: Number.POSITIVE_INFINITY }],
    ['that would not be taken', { id: webId, services: many(100), gateways: [] }],
  ])('never %s', async (_, request) => {
    await expect(rig.tokens.issue(request)).rejects.toMatchObject({ code: 'CH1832' });
  });
});

/** `web` and names that are together too long for a token. */
function many(length: number): readonly string[] {
  return ['web', ...Array.from({ length: 63 }, (_, n) => `${n}-${'x'.repeat(length)}`)];
}

it('is asked only where there is one Authorization header', () => {
  expect(rig.tokens.verify(credentials())).toBeUndefined();
  expect(rig.tokens.verify(credentials({ authorization: ['a', 'b'] }))).toBeUndefined();
});
