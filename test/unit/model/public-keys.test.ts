import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { publicKeySet } from '../../../src/model/public-keys.ts';

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ed = generateKeyPairSync('ed25519');
const jwk = (key: KeyObject, more: object = {}) => ({ ...key.export({ format: 'jwk' }), kid: 'one', ...more });
const setOf = (...keys: readonly object[]) => publicKeySet(JSON.stringify({ keys }));
const good = jwk(ec.publicKey);

describe('a set of public keys', () => {
  it('keeps what tells a key, and nothing else', () => {
    const keys = [
      good,
      jwk(rsa.publicKey, { kid: 'two', alg: 'RS256' }),
      jwk(ed.publicKey, { kid: 'three', use: 'sig' }),
    ];
    expect(setOf(...keys.map((key) => ({ ...key, x5c: ['a'], x5u: 'http://169.254.169.254/' })))).toEqual({
      keys: expect.any(String),
    });
    const set = setOf(...keys.map((key) => ({ ...key, x5u: 'http://169.254.169.254/' })));
    expect('keys' in set && JSON.parse(set.keys)).toEqual({ keys });
  });

  it.each([
    ['a shared secret', { kty: 'oct', k: 'AAAA', kid: 'one' }, 'is a secret'],
    ['a private key', jwk(ec.privateKey), 'is a secret'],
    ['a private RSA key', jwk(rsa.privateKey), 'is a secret'],
    ['a private member that is empty', { ...good, d: '' }, 'is a secret'],
    ['no kid', { ...good, kid: undefined }, 'has no "kid"'],
    ['another use', { ...good, use: 'enc' }, 'is not for signatures'],
    ['HS256 of a public key', { ...good, alg: 'HS256' }, 'is for none of'],
    ['none', { ...good, alg: 'none' }, 'is for none of'],
    ['another kind', { ...good, kty: '__proto__' }, 'is none of RSA, EC and OKP'],
    ['another curve', { ...good, crv: 'secp256k1' }, 'is on none of'],
    ['no point of the curve', { ...good, x: good.y }, 'cannot be read'],
    ['a short key', jwk(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey), 'has less than 2048 bits'],
  ])('T17: refuses %s', (_, key, fault) => {
    expect(setOf(key)).toEqual({ fault: expect.stringContaining(`key 0 ${fault}`) });
  });

  it('refuses what is no set, too large, or names two keys alike', () => {
    for (const text of ['', '[]', 'null', '{}', '{"keys": {}}', '{"keys": [1]}', '{"keys": [null]}'])
      expect(publicKeySet(text)).toEqual({ fault: expect.stringContaining('be a JSON Web Key Set') });
    expect(setOf()).toEqual({ fault: 'have 1 to 32 keys' });
    expect(setOf(...Array.from({ length: 33 }, () => good))).toEqual({ fault: 'have 1 to 32 keys' });
    expect(publicKeySet(' '.repeat(65_537))).toEqual({ fault: 'have at most 65536 characters' });
    expect(setOf(good, good)).toEqual({ fault: expect.stringContaining('key 1 has the "kid" of another') });
  });
});
