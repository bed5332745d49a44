// Credentials for join tokens and for earlier credentials: the same rights, never more, and nothing used up in vain.
import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createEnrolment, type Enrolled, type EnrolmentDeps, readPublicKey } from '../../../src/control/enrolment.ts';
import { createEnrolmentDoors } from '../../../src/control/enrolment-doors.ts';
import type { JoinGrant } from '../../../src/identity/join-grant.ts';
import { refuse } from '../../../src/identity/refusals.ts';
import { serviceId } from '../../../src/model/names.ts';
import type { Caller, Credentials, Principal } from '../../../src/model/principal.ts';
import type { LogFields, Logger } from '../../../src/util/log.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

const dayMs = 86_400_000;
const web = serviceId('default', 'web');
const api = serviceId('shop', 'api');
const canary = 'canary-0123456789';
const publicKey = (curve = 'P-256'): string =>
  generateKeyPairSync('ec', { namedCurve: curve }).publicKey.export({ format: 'der', type: 'spki' }).toString('base64');

const grantOf = (grant: Partial<JoinGrant> = {}): JoinGrant => ({
  id: 'a'.repeat(32),
  services: [web],
  gateways: [],
  expiresAtMs: 1,
  ...grant,
});

const principalOf = (principal: Partial<Principal> = {}): Principal => ({
  id: 'spiffe://mesh/svc/web',
  services: [web],
  gateways: [],
  notAfterMs: 1,
  credential: { kind: 'token', id: 'jti-1' },
  ...principal,
});

function fixture(
  options: { grants?: Readonly<Record<string, JoinGrant>>; caller?: Caller; authority?: 'closed' | 'broken' } = {},
) {
  const grants = new Map(Object.entries(options.grants ?? { [canary]: grantOf() }));
  const clock = createFakeClock(1_000_000);
  const said: string[] = [];
  const log: Logger = {
    ...{ debug: note, info: note, warn: note, error: note },
    child: () => log,
  };
  function note(message: string, fields: LogFields = {}): void {
    said.push(`${message} ${JSON.stringify(fields)}`);
  }
  const deps: EnrolmentDeps = {
    joinTokens: {
      isListed: async (given) => grants.has(given),
      async redeem(text) {
        const grant = grants.get(text);
        grants.delete(text);
        return grant ?? refuse('unknown-key');
      },
    },
    nodeTokens: {
      issue: async ({ id, services, gateways, nodeId, lifeMs = 0 }) => ({
        text: `token ${JSON.stringify({ id, services, gateways, nodeId })} ${canary}-issued`,
        credentialId: 'jti-2',
        notAfterMs: clock.wall() + lifeMs,
      }),
    },
    families: { async remember() {} },
    authority: {
      roots() {
        if (options.authority === 'closed') throw new Error('not open');
        return { generation: 1, roots: [{ certificate: Buffer.from('root'), keyId: 'k', notAfterMs: 1 }] };
      },
      async certify({ spiffeId, lifeMs, publicKey: key }) {
        if (options.authority === 'broken') throw new Error('no signer');
        const now = clock.wall();
        return {
          ...{ spiffeId, chain: [key, Buffer.from('intermediate')], serial: 's-1', root: 'k' },
          ...{ notBeforeMs: now, notAfterMs: now + lifeMs / 30, renewAtMs: now },
        };
      },
    },
    clock,
    log,
  };
  const enrolment = createEnrolment(deps, { trustDomain: 'mesh', lifeMs: 30 * dayMs });
  const seen: Credentials[] = [];
  const doors = createEnrolmentDoors({
    ...{ enrolment, clock, log },
    authenticate: (credentials) => {
      seen.push(credentials);
      return options.caller ?? refuse('missing');
    },
  });
  return { enrolment, doors, clock, said, grants, seen };
}

const address = '10.0.0.7';
const credentials: Credentials = { tls: true, authorization: [`Bearer ${canary}`], consulToken: [], address };
const text = (value: object): string => JSON.stringify(value);
const json = (body: string): Record<string, unknown> => JSON.parse(body) as Record<string, unknown>;
const tokenClaims = ({ credential }: Enrolled): unknown =>
  credential.kind === 'token' ? JSON.parse(/\{.*\}/.exec(credential.token)?.[0] ?? '') : credential;

describe('join', () => {
  it.each([
    [grantOf(), { id: 'spiffe://mesh/svc/web', services: [web], gateways: [] }],
    [grantOf({ services: [api, web] }), { id: 'spiffe://mesh/ns/shop/svc/api', services: [api, web], gateways: [] }],
    [
      grantOf({ services: [], gateways: ['edge'] }),
      { id: 'spiffe://mesh/gateway/edge', services: [], gateways: ['edge'] },
    ],
    [grantOf({ nodeId: 'web-1' }), { id: 'spiffe://mesh/svc/web', services: [web], gateways: [], nodeId: 'web-1' }],
  ])('gives a token of what was granted: %j', async (grant, rights) => {
    const { enrolment, clock } = fixture({ grants: { [canary]: grant } });
    const enrolled = (await enrolment.join({ token: canary, address })) as Enrolled;
    expect(enrolled).toMatchObject({
      principal: rights,
      controlPlane: 'spiffe://mesh/chancery',
      roots: expect.stringMatching(/^-----BEGIN CERTIFICATE-----\ncm9vdA==\n-----END/),
      issuedAtMs: clock.wall(),
      notAfterMs: clock.wall() + 30 * dayMs,
    });
    expect(enrolled.principal).toEqual(rights);
    expect(tokenClaims(enrolled)).toEqual(rights);
  });

  it('certifies a key that stays with the node, for one name and no node', async () => {
    const { enrolment, clock } = fixture();
    const key = readPublicKey(publicKey()) ?? expect.fail('no key');
    const enrolled = (await enrolment.join({ token: canary, address, publicKey: key })) as Enrolled;
    expect(enrolled.credential).toMatchObject({ kind: 'certificate' });
    expect(enrolled.credential.kind === 'certificate' && enrolled.credential.chain.match(/BEGIN CERT/g)).toHaveLength(
      2,
    );
    // Its end is the authority's to say.
    expect(enrolled.notAfterMs).toBe(clock.wall() + dayMs);
  });

  it.each([grantOf({ nodeId: 'web-1' }), grantOf({ services: [web, api] }), grantOf({ gateways: ['edge'] })])(
    'gives a token where a certificate would say more or less than what is granted: %j',
    async (grant) => {
      const { enrolment } = fixture({ grants: { [canary]: grant } });
      const key = readPublicKey(publicKey()) ?? expect.fail('no key');
      const enrolled = (await enrolment.join({ token: canary, address, publicKey: key })) as Enrolled;
      expect(enrolled.credential.kind).toBe('token');
    },
  );

  it('T4: grants what the store says, once', async () => {
    const { enrolment } = fixture();
    const answers = await Promise.all(Array.from({ length: 20 }, () => enrolment.join({ token: canary, address })));
    expect(answers.filter((answer) => !('refused' in answer))).toHaveLength(1);
  });

  it('uses no token up where the authority is not there', async () => {
    const { doors, grants } = fixture({ authority: 'closed' });
    const answer = await doors.join(text({ token: canary }), address);
    expect([answer.status, grants.has(canary)]).toEqual([503, true]);
    expect(doors.roots().status).toBe(503);
  });

  it.each([
    ['', '{', '[]', 'null', '"cj1"', text({}), text({ token: 1 }), text({ token: canary, more: 1 })],
    [
      text({ token: canary, publicKey: 1 }),
      text({ token: canary, publicKey: 'AAAA' }),
      text({ token: canary, publicKey: publicKey('P-384') }),
      text({ token: canary, publicKey: `${Buffer.from(publicKey(), 'base64').toString('hex')}` }),
      text({
        token: canary,
        publicKey: Buffer.concat([Buffer.from(publicKey(), 'base64'), Buffer.of(0)]).toString('base64'),
      }),
    ],
    [text({ token: canary, publicKey: `${publicKey()}${' '.repeat(20_000)}` })],
  ])('uses no token up for a body that does not fit (T5, T20)', async (...bodies) => {
    const { doors, grants } = fixture();
    for (const body of bodies) {
      const answer = await doors.join(body, address);
      expect([answer.status, json(answer.body)['code']], body).toEqual([400, 'CH1704']);
    }
    expect(grants.has(canary)).toBe(true);
  });
});

describe('renew', () => {
  const both = { services: [web, api], nodeId: 'web-1' };

  it('gives another token of the same rights', async () => {
    const { enrolment } = fixture();
    const enrolled = (await enrolment.renew(principalOf(both), { address })) as Enrolled;
    expect(tokenClaims(enrolled)).toEqual({ id: 'spiffe://mesh/svc/web', gateways: [], ...both });
  });

  it('gives another certificate to a certificate', async () => {
    const caller = principalOf({ credential: { kind: 'certificate', id: 's-0' } });
    const { doors } = fixture({ caller });
    const answer = await doors.renew(text({ publicKey: publicKey() }), credentials);
    expect([answer.status, json(answer.body)['credential']]).toEqual([
      200,
      expect.objectContaining({ kind: 'certificate' }),
    ]);
  });

  it('T2: asks who it is before it reads anything, and believes nothing else', async () => {
    const { doors, seen } = fixture();
    const answer = await doors.renew('not even JSON', credentials);
    expect([answer.status, json(answer.body)['code']]).toEqual([401, 'CH1855']);
    expect(seen).toEqual([credentials]);
    const known = fixture({ caller: principalOf() });
    const claimed = await known.doors.renew(text({ token: canary, services: ['api'] }), credentials);
    expect(claimed.status).toBe(400);
  });

  it.each(['consul', 'oidc'] as const)('leaves credentials of %s to whoever issues them', async (kind) => {
    const { doors } = fixture({ caller: principalOf({ credential: { kind, id: 'x' } }) });
    const answer = await doors.renew('', credentials);
    expect([answer.status, json(answer.body)['code']]).toEqual([403, 'CH1855']);
  });

  it('says that it cannot now, where the authority fails or callers cannot be told apart', async () => {
    const broken = fixture({ caller: principalOf(), authority: 'broken' });
    expect((await broken.doors.renew(text({ publicKey: publicKey() }), credentials)).status).toBe(503);
    const unsure = fixture({ caller: refuse('unavailable') });
    for (let count = 0; count < 30; count++) expect((await unsure.doors.renew('', credentials)).status).toBe(503);
  });
});

describe('the doors', () => {
  it('T21: let no secret into a log or an error', async () => {
    const { doors, said } = fixture({ caller: principalOf() });
    const refused = [
      await doors.join(text({ token: `${canary}-wrong` }), address),
      await doors.join(`{"token": "${canary}`, address),
      await doors.join(text({ token: canary, publicKey: canary }), address),
    ];
    expect(refused.map(({ status }) => status)).toEqual([401, 400, 400]);
    const joined = await doors.join(text({ token: canary }), address);
    await doors.renew('', credentials);
    expect(joined.body).toContain(`${canary}-issued`);
    expect(said.join('\n')).toContain('"principal":"spiffe://mesh/svc/web"');
    expect(said.filter((line) => line.startsWith('a node got a credential'))).toHaveLength(2);
    for (const words of [...said, ...refused.map(({ body }) => body)]) expect(words).not.toContain(canary);
  });

  it('T9: do not listen for a while to whoever guesses too often, and keep out nobody who has a token', async () => {
    const { doors, clock, grants } = fixture();
    let status = 401;
    for (let count = 0; count < 100 && status === 401; count++)
      ({ status } = await doors.join(text({ token: 'guess' }), address));
    expect(status).toBe(429);
    expect((await doors.join('not JSON', address)).status).toBe(429);
    expect((await doors.join(text({ token: 'guess' }), '10.0.0.8')).status).toBe(401);
    // Strangers at the same address do not keep out a node that joins: its token is among those that wait to be used.
    expect((await doors.join(text({ token: canary }), address)).status).toBe(200);
    expect(grants.has(canary)).toBe(false);
    expect((await doors.join(text({ token: canary }), address)).status).toBe(429);
    // Whoever has a credential renews it, whatever others at its address do.
    const known = fixture({ caller: principalOf() });
    for (let count = 0; count < 100; count++) await known.doors.join(text({ token: 'guess' }), credentials.address);
    expect((await known.doors.renew('', credentials)).status).toBe(200);
    clock.advance(60_000);
    expect((await doors.join(text({ token: 'guess' }), address)).status).toBe(401);
  });

  it('answer refusals as problem documents, and show the authorities to anybody', async () => {
    const { doors } = fixture();
    const answer = await doors.join(text({ token: 'guess' }), address);
    expect(answer).toMatchObject({ status: 401, contentType: 'application/problem+json' });
    expect(json(answer.body)).toMatchObject({
      code: 'CH1851',
      status: 401,
      hint: expect.stringContaining('token create'),
    });
    expect(json(doors.roots().body)['roots']).toContain('BEGIN CERTIFICATE');
  });
});
