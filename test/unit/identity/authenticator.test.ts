// Who is let in: every kind of credential, right and wrong, over every kind of connection, with the exact refusal.
import fc from 'fast-check';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createAuthenticator } from '../../../src/identity/authenticator.ts';
import type { Verifier } from '../../../src/identity/contract.ts';
import type { Credentials, Unknown } from '../../../src/model/principal.ts';
import { propertyParameters } from '../../support/property-runs.ts';
import { makeCertificate, newKeys, uri } from './certificates.ts';
import {
  bearer,
  createRig,
  credentials,
  goodClaims,
  goodHeader,
  outcome,
  principal,
  type Rig,
  signHmac,
  signJwt,
  trustDomain,
  unsigned,
  webCertificate,
  webId,
} from './rig.ts';

let rig: Rig;
beforeEach(async () => {
  rig = await createRig();
});

const key = (): Parameters<typeof signJwt>[2] => rig.keys.signer().privateKey;
const token = (claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}): string =>
  signJwt({ ...goodHeader(rig.keys), ...header }, { ...goodClaims(rig.clock), ...claims }, key());
const seconds = (): number => Math.floor(rig.clock.wall() / 1000);

/** `authorization` headers by kind of credential. */
const kinds: Readonly<Record<string, () => Promise<readonly string[]> | readonly string[]>> = {
  none: () => [],
  malformed: () => ['Bearer not-a-token'],
  'another scheme': () => ['Basic d2ViOnNlY3JldA=='],
  expired: () => [`Bearer ${token({ exp: seconds() - 1 })}`],
  'expires now': () => [`Bearer ${token({ exp: seconds() })}`],
  'not yet valid': () => [`Bearer ${token({ nbf: seconds() + 1 })}`],
  'wrong audience': () => [`Bearer ${token({ aud: 'chancery:bank.example' })}`],
  'algorithm none': () => [`Bearer ${unsigned({ ...goodHeader(rig.keys), alg: 'none' }, goodClaims(rig.clock))}`],
  'another type': () => [`Bearer ${token({}, { typ: 'JWT' })}`],
  'no type': () => [`Bearer ${token({}, { typ: undefined })}`],
  'public key as secret': () => {
    const pem = rig.keys.publicKey(rig.keys.signer().kid)?.export({ type: 'spki', format: 'pem' }) ?? '';
    return [`Bearer ${signHmac({ ...goodHeader(rig.keys), alg: 'HS256' }, goodClaims(rig.clock), pem)}`];
  },
  'unknown kid': () => [`Bearer ${token({}, { kid: 'another' })}`],
  'foreign key': () => [`Bearer ${signJwt(goodHeader(rig.keys), goodClaims(rig.clock), newKeys().privateKey)}`],
  'revoked jti': async () => {
    const { jti } = goodClaims(rig.clock) as { jti: string };
    await rig.revocations.revoke('token', jti, rig.clock.wall() + 3_600_000);
    return [`Bearer ${token()}`];
  },
  'other trust domain': () => [
    `Bearer ${token({ sub: 'spiffe://bank.example/svc/web', aud: `chancery:${trustDomain}` })}`,
  ],
  'not in its own list': () => [`Bearer ${token({ sub: `spiffe://${trustDomain}/svc/api` })}`],
  'the control plane itself': () => [`Bearer ${token({ sub: `spiffe://${trustDomain}/chancery` })}`],
  'two headers': () => [`Bearer ${token()}`, `Bearer ${token()}`],
  valid: () => [`Bearer ${token()}`],
};

/** Kind -> outcome over TLS without a certificate. Plaintext refuses all but `none` as `plaintext`. */
const overTls: Readonly<Record<string, string>> = {
  none: 'missing',
  malformed: 'malformed',
  'another scheme': 'malformed',
  expired: 'expired',
  'expires now': 'expired',
  'not yet valid': 'not-yet-valid',
  'wrong audience': 'wrong-audience',
  'algorithm none': 'wrong-algorithm',
  'another type': 'malformed',
  'no type': 'malformed',
  'public key as secret': 'wrong-algorithm',
  'unknown kid': 'unknown-key',
  'foreign key': 'bad-signature',
  'revoked jti': 'revoked',
  'other trust domain': 'foreign-trust-domain',
  'not in its own list': 'not-entitled',
  'the control plane itself': 'not-entitled',
  'two headers': 'ambiguous',
  valid: 'accepted',
};

interface Way {
  readonly name: string;
  readonly parts: () => Partial<Credentials>;
  readonly expected: (kind: string) => string;
}

const ways: readonly Way[] = [
  { name: 'TLS with token', parts: () => ({}), expected: (kind) => overTls[kind] ?? '' },
  {
    name: 'plaintext',
    parts: () => ({ tls: false }),
    expected: (kind) => (kind === 'none' ? 'missing' : 'plaintext'),
  },
  {
    name: 'both, of one node',
    parts: () => ({ certificate: webCertificate(rig.clock) }),
    // The certificate alone is enough, and covers for no token that does not hold.
    expected: (kind) => (kind === 'none' ? 'accepted' : (overTls[kind] ?? '')),
  },
  {
    name: 'both, of two nodes',
    parts: () => ({ certificate: webCertificate(rig.clock, `spiffe://${trustDomain}/svc/api`) }),
    expected: (kind) => (kind === 'none' ? 'accepted' : kind === 'valid' ? 'ambiguous' : (overTls[kind] ?? '')),
  },
  {
    name: 'a token, and a certificate that names nobody of ours',
    parts: () => ({ certificate: webCertificate(rig.clock, 'spiffe://bank.example/svc/web') }),
    expected: (kind) => (kind === 'none' ? 'foreign-trust-domain' : (overTls[kind] ?? '')),
  },
];

const refusedAs: Readonly<Record<string, Unknown['refused']>> = {
  'not-entitled': 'permission-denied',
  unavailable: 'unavailable',
};

describe('T2, T3, T17: tokens by kind and connection', () => {
  for (const way of ways)
    it.each(Object.keys(kinds))(`${way.name}: %s`, async (kind) => {
      const authorization = (await kinds[kind]?.()) ?? [];
      const caller = await rig.authenticator.authenticate(credentials({ authorization, ...way.parts() }));
      const expected = way.expected(kind);
      expect(outcome(caller)).toBe(expected);
      if ('refused' in caller) expect(caller.refused).toBe(refusedAs[expected] ?? 'unauthenticated');
      else expect(caller.services).toEqual(kind === 'none' && way.name.endsWith('two nodes') ? ['api'] : ['web']);
      const audit = rig.log.lines.filter(({ message }) => message.startsWith('a caller is'));
      expect(audit, 'one line of the audit log').toHaveLength(1);
    });
});

describe('T5, T14, T20: client certificates by kind', () => {
  const day = 86_400_000;
  const made = (parts: Partial<Parameters<typeof makeCertificate>[0]>): Uint8Array =>
    makeCertificate({
      names: [uri(webId)],
      notBeforeMs: rig.clock.wall() - day,
      notAfterMs: rig.clock.wall() + day,
      ...parts,
    });
  it.each<[string, string, () => Uint8Array | Promise<Uint8Array>]>([
    ['valid', 'accepted', () => made({})],
    ['malformed', 'malformed', () => Buffer.from('no certificate')],
    ['expired', 'expired', () => made({ notAfterMs: rig.clock.wall() - 1000 })],
    ['not yet valid', 'not-yet-valid', () => made({ notBeforeMs: rig.clock.wall() + 1000 })],
    ['other trust domain', 'foreign-trust-domain', () => made({ names: [uri('spiffe://bank.example/svc/web')] })],
    ['two names', 'malformed', () => made({ names: [uri(webId), uri(`spiffe://${trustDomain}/svc/api`)] })],
    ['no name', 'malformed', () => made({ names: [] })],
    ['an authority', 'malformed', () => made({ ca: true })],
    ['the control plane', 'not-entitled', () => made({ names: [uri(`spiffe://${trustDomain}/chancery`)] })],
    [
      'revoked',
      'revoked',
      async () => {
        await rig.revocations.revoke('certificate', '5a11', rig.clock.wall() + day);
        return made({});
      },
    ],
  ])('%s: %s', async (_, expected, certificate) => {
    const caller = await rig.authenticator.authenticate(credentials({ certificate: await certificate() }));
    expect(outcome(caller)).toBe(expected);
  });
});

it('answers every unauthenticated caller with one text', async () => {
  const texts = new Set<string>();
  for (const kind of Object.values(kinds)) {
    const caller = await rig.authenticator.authenticate(credentials({ authorization: await kind() }));
    if ('refused' in caller && caller.refused === 'unauthenticated')
      texts.add(JSON.stringify({ refused: caller.refused, message: caller.message }));
  }
  expect([...texts]).toEqual(['{"refused":"unauthenticated","message":"the caller is not authenticated"}']);
});

it('counts by cause, and names no address or id in a label', async () => {
  await rig.authenticator.authenticate(credentials());
  await rig.authenticator.authenticate(bearer('x'));
  await rig.authenticator.authenticate(bearer(token()));
  await rig.authenticator.authenticate(credentials({ consulToken: ['x'] }));
  expect(Object.fromEntries(rig.metrics.counts)).toEqual({
    'authentications_total{none,missing}': 1,
    'authentications_total{authorization,malformed}': 1,
    'authentications_total{token,accepted}': 1,
    'authentications_total{consul,malformed}': 1,
  });
});

it('refuses two kinds of secrets at once', async () => {
  const caller = await rig.authenticator.authenticate({ ...bearer(token()), consulToken: ['x'] });
  expect(outcome(caller)).toBe('ambiguous');
});

it('T21: says once that a secret came in the clear, without it', async () => {
  const canary = token();
  for (let n = 0; n < 3; n++)
    await rig.authenticator.authenticate(credentials({ tls: false, authorization: [`Bearer ${canary}`] }));
  const told = rig.log.lines.filter(({ level }) => level === 'error');
  expect(told).toHaveLength(1);
  expect(told[0]?.fields).toEqual({ address: '192.0.2.7' });
  expect(rig.log.text()).not.toContain(canary);
});

it('T21: has no piece of a secret in any line or answer', async () => {
  const canary = 'c4n4ryc4n4ryc4n4ry';
  const answers: unknown[] = [];
  const secrets = [token({ jti: '00112233445566778899aabbccddeeff', note: canary }), `${canary}.${canary}.${canary}`];
  for (const secret of secrets)
    for (const parts of [
      { authorization: [`Bearer ${secret}`] },
      { authorization: [secret] },
      { authorization: [`Bearer ${secret}`], tls: false },
      { consulToken: [canary] },
    ])
      answers.push(await rig.authenticator.authenticate(credentials(parts)));
  const text = JSON.stringify(answers) + rig.log.text();
  expect(text).not.toContain(canary);
  for (const secret of secrets) for (const piece of secret.split('.')) expect(text).not.toContain(piece);
});

it('T15: ends with the token, and tells whose token was revoked', async () => {
  const { text, credentialId, notAfterMs } = await rig.tokens.issue({ id: webId, services: ['web'], gateways: [] });
  expect(principal(await rig.authenticator.authenticate(bearer(text))).notAfterMs).toBe(notAfterMs);
  const told: string[] = [];
  const stop = rig.authenticator.onRevoked((ids) => told.push(...ids));
  await rig.revocations.revoke('token', credentialId, notAfterMs);
  expect(told).toEqual([credentialId]);
  expect(outcome(await rig.authenticator.authenticate(bearer(text)))).toBe('revoked');
  stop();
  await rig.revocations.revoke('token', 'other', notAfterMs);
  expect(told).toEqual([credentialId]);
});

it('T15: passes on what a verifier learns of ends', () => {
  const { clock, log, metrics, revocations } = rig;
  const listeners = new Set<(ids: ReadonlySet<string>) => void>();
  const learned: Verifier = {
    kind: 'consul',
    verify: () => undefined,
    onRevoked(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  const authenticator = createAuthenticator({ verifiers: [rig.tokens, learned], revocations, clock, log, metrics });
  const told: string[] = [];
  const stop = authenticator.onRevoked((ids) => told.push(...ids));
  for (const listener of listeners) listener(new Set(['a1']));
  expect(told).toEqual(['a1']);
  stop();
  expect(listeners.size).toBe(0);
});

it('T15: takes no token on a connection whose certificate was revoked', async () => {
  const given = { ...bearer(token()), certificate: webCertificate(rig.clock) };
  expect(outcome(await rig.authenticator.authenticate(given))).toBe('accepted');
  await rig.revocations.revoke('certificate', '5a11', rig.clock.wall() + 3_600_000);
  expect(outcome(await rig.authenticator.authenticate(given))).toBe('revoked');
});

describe('fails closed', () => {
  const withVerifier = (verify: Verifier['verify'], isRevoked: () => boolean | undefined) => {
    const { clock, log, metrics } = rig;
    const revocations = { isRevoked, onRevoked: () => () => {} };
    return createAuthenticator({ verifiers: [{ kind: 'token', verify }], revocations, clock, log, metrics });
  };

  it('where a verifier has a bug, without its words', async () => {
    const authenticator = withVerifier(
      () => Promise.reject(new Error('secret words')),
      () => false,
    );
    expect(outcome(await authenticator.authenticate(bearer('a.b.c')))).toBe('unavailable');
    expect(rig.log.text()).not.toContain('secret words');
  });

  it('where a verifier names somebody whose time is over', async () => {
    const ended = principal(await rig.tokens.verify(bearer(token())));
    for (const notAfterMs of [rig.clock.wall(), Number.NaN]) {
      const authenticator = withVerifier(
        () => ({ ...ended, notAfterMs }),
        () => false,
      );
      expect(outcome(await authenticator.authenticate(bearer('a.b.c')))).toBe('expired');
    }
  });

  it('while the list of revocations has not been read', async () => {
    const { tokens } = rig;
    const authenticator = withVerifier(
      (given) => tokens.verify(given),
      () => undefined,
    );
    expect(outcome(await authenticator.authenticate(bearer(token())))).toBe('unavailable');
  });
});

describe('failures of one address', () => {
  const from = (address: string, text: string) => rig.authenticator.authenticate({ ...bearer(text), address });

  it('close the door for a while, to that address only', async () => {
    for (let n = 0; n < 60; n++) expect(outcome(await from('192.0.2.9', 'x'))).toBe('malformed');
    const closed = await from('192.0.2.9', 'x');
    expect(closed).toMatchObject({ cause: 'rate-limited', refused: 'unavailable' });
    expect(outcome(await from('::ffff:192.0.2.9', token({ exp: seconds() - 1 })))).toBe('rate-limited');
    expect(outcome(await from('192.0.2.10', 'x'))).toBe('malformed');
    rig.clock.advance(1000);
    expect(outcome(await from('192.0.2.9', 'x'))).toBe('malformed');
  });

  it('T9: shut out nobody there whose credential is good, as long as nobody else is to be asked about it', async () => {
    const accepted = principal(await rig.tokens.verify(bearer(token())));
    let asked = 0;
    const verifiers: readonly Verifier[] = [
      rig.tokens,
      {
        kind: 'consul',
        remembers: ({ consulToken }) => consulToken[0] === 'in use',
        verify({ consulToken }) {
          if (consulToken.length === 0) return undefined;
          asked++;
          return { ...accepted, credential: { kind: 'consul', id: 'accessor' } };
        },
      },
    ];
    const { clock, log, metrics, revocations } = rig;
    const { authenticate } = createAuthenticator({ verifiers, revocations, clock, log, metrics });
    const address = '192.0.2.9';
    for (let n = 0; n < 100; n++) await authenticate({ ...bearer('x'), address });
    expect(outcome(await authenticate({ ...bearer(token()), address }))).toBe('accepted');
    const consul = credentials({ consulToken: ['secret'] });
    expect(outcome(await authenticate({ ...consul, address }))).toBe('rate-limited');
    expect(asked).toBe(0);
    expect(outcome(await authenticate({ ...consul, address: '192.0.2.10' }))).toBe('accepted');
    expect(asked).toBe(1);
    expect(outcome(await authenticate({ ...credentials({ consulToken: ['in use'] }), address }))).toBe('accepted');
  });
});

describe('T8: whatever bytes come', () => {
  let own: Rig;
  let valid: string;
  beforeAll(async () => {
    own = await createRig();
    valid = (await own.tokens.issue({ id: webId, services: ['web'], gateways: [] })).text;
  });

  it('never throws and never makes a principal', async () => {
    const noise = fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.string({ maxLength: 60 }));
    const header = fc.oneof(
      noise,
      noise.map((text) => `Bearer ${text}`),
      fc.tuple(fc.base64String(), fc.base64String(), fc.base64String()).map((parts) => `Bearer ${parts.join('.')}`),
      fc
        .tuple(fc.json(), fc.json())
        .map((parts) => `Bearer ${parts.map((json) => Buffer.from(json).toString('base64url')).join('.')}.AA`),
      // One changed character of a good one.
      fc
        .tuple(fc.nat({ max: valid.length - 2 }), fc.constantFrom('A', 'b', '9', '_', '.', ' '))
        .filter(([at, character]) => valid[at] !== character)
        .map(([at, character]) => `Bearer ${valid.slice(0, at)}${character}${valid.slice(at + 1)}`),
    );
    let address = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(header, { maxLength: 2 }),
        fc.array(noise, { maxLength: 2 }),
        fc.option(fc.uint8Array({ maxLength: 200 }), { nil: undefined }),
        async (authorization, consulToken, certificate) => {
          const given = credentials({
            authorization,
            consulToken,
            address: `host-${address++}`,
            ...(certificate === undefined ? {} : { certificate }),
          });
          const caller = await own.authenticator.authenticate(given);
          expect(caller).toHaveProperty('refused');
        },
      ),
      propertyParameters(400),
    );
  });
});
