// Tokens, joining and renewing from the command line; the control plane is a function, the disk a map.
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommandLine } from '../../../src/cli/program.ts';
import type { SecureFetch, SecureRequest } from '../../../src/cli/secure-request.ts';
import { AppError } from '../../../src/util/errors.ts';
import { createAuthority, describeWithOpenssl } from '../../support/certificates.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';
import { createFakeCli, type FakeCli, type FakeIoOptions, type FakeServer } from './fake-io.ts';

const canary = 'canary-0123456789-0123456789-0123456789-012';
const id = 'ab'.repeat(16);
const joinToken = (pin?: string): string => `cj1.${id}.${canary}${pin === undefined ? '' : `.${pin}`}`;
const nodeToken = `aaa.${canary}.ccc`;
const dayMs = 86_400_000;
const start = Date.UTC(2030, 0, 1);

async function run(line: string, options: FakeIoOptions = {}) {
  const cli = createFakeCli(options);
  const code = await runCommandLine(
    line.split(' ').filter((word) => word !== ''),
    cli.deps,
  );
  return { ...cli, code, out: cli.out(), err: cli.err() };
}

describe('chancery token', () => {
  const environment = { CHANCERY_TOKEN: 't' };
  const asked: { method: string; path: string; body: string }[] = [];
  const server: FakeServer = ({ method, path, body }) => {
    asked.push({ method, path, body });
    if (method === 'POST') return { status: 201, body: { token: joinToken(), id, expiresAtMs: start } };
    if (method === 'DELETE') return { body: { id, result: 'revoked' } };
    if (path.endsWith('/status')) return { body: { proxies: [{ node: 'web-1', credential: { kind: 'token', id } }] } };
    return { body: [{ id, services: ['web'], gateways: [], nodeId: 'web-1', expiresAtMs: start + 90_000 }] };
  };

  it('prints the token alone, and what to do with it beside it', async () => {
    const line = 'token create --service shop/web --service api --node web-1 --ttl 1h';
    const { code, out, err } = await run(line, { server, environment });
    expect([code, out]).toEqual([0, `${joinToken()}\n`]);
    expect(err).toContain(`chancery bootstrap web-1 --service shop/web --join ${joinToken()} --xds `);
    expect(JSON.parse(asked.at(-1)?.body ?? '')).toEqual({
      ...{ services: ['shop|web', 'api'], gateways: [], node: 'web-1', ttlSeconds: 3600 },
    });
    const json = await run('token create --gateway edge -o json', { server, environment });
    expect([JSON.parse(json.out), json.err]).toEqual([{ token: joinToken(), id, expiresAtMs: start }, '']);
  });

  it('lists them without their secret, and revokes one by its id', async () => {
    const { out } = await run('token list', { server, environment });
    expect(out).toMatch(new RegExp(`^${id} +web +- +web-1 +1m$`, 'm'));
    for (const name of [id, joinToken()]) {
      expect((await run(`token revoke ${name}`, { server, environment })).out).toBe(`token ${id} revoked\n`);
      expect(asked.at(-1)?.path).toBe(`127.0.0.1:18080/api/v1/trust/join-tokens/${id}`);
    }
  });

  it.each([
    'token create',
    'token create --service web --ttl soon',
    'renew x --watch --now',
    'revoke join 1',
    'revoke token 1 --for ever',
    'token',
  ])('%s is refused', async (line) => {
    const { code, err } = await run(line, { environment });
    if (line !== 'token') expect([code, err]).toEqual([64, expect.stringContaining('[CH1601]')]);
    else expect(code).not.toBe(0);
  });

  it('revokes a credential by its id, a serial in any spelling', async () => {
    const { code, out, err } = await run(`revoke token ${id} --for 36h`, { server, environment });
    expect([code, out]).toEqual([0, `token ${id} revoked\n`]);
    expect(err).toContain('until its certificate ends');
    const posted = () => asked.filter(({ method }) => method === 'POST').at(-1);
    expect(posted()).toEqual({
      ...{ method: 'POST', path: '127.0.0.1:18080/api/v1/trust/revocations' },
      body: JSON.stringify({ kind: 'token', id, days: 1.5 }),
    });
    await run('revoke certificate 0E:50:DE', { server, environment });
    expect(JSON.parse(posted()?.body ?? '')).toEqual({ kind: 'certificate', id: '0e50de' });
    await run('certs revoke 0E:50:DF', { server, environment });
    expect(JSON.parse(posted()?.body ?? '')).toEqual({ kind: 'certificate', id: '0e50df' });
    await run(`revoke token ${id} --only`, { server, environment });
    expect(JSON.parse(posted()?.body ?? '')).toEqual({ kind: 'token', id, only: true });
  });

  it('says whom a name may not reach, and what nobody shows', async () => {
    const told = async (line: string) => (await run(line, { server, environment })).err;
    expect(await told('revoke node web-1')).toContain(`run chancery revoke token ${id}\n`);
    expect(await told('revoke node web-9')).toContain('no proxy of the name web-9 is known here');
    expect(await told('revoke token web-1')).toContain('no proxy that is known here shows it');
    for (const line of [`revoke token ${id}`, 'revoke family web-1'])
      expect(await told(line), line).not.toContain('known here');
    // Where nothing can be said of proxies it is revoked all the same.
    const mute: FakeServer = (request) =>
      request.path.endsWith('/status') ? { status: 503, body: 'away' } : server(request);
    const { code, out } = await run('revoke node web-1', { server: mute, environment });
    expect([code, out]).toEqual([0, 'node web-1 revoked\n']);
  });

  it('shows certificates, of all and of one', async () => {
    const certificate = { node: 'web-1', spiffeId: 'spiffe://mesh/svc/web', serial: '01', root: 'k1'.repeat(8) };
    const times = { notAfterMs: start + dayMs, renewAtMs: start + dayMs / 2 };
    const roots = [{ keyId: 'k1'.repeat(8), notAfterMs: start + 3650 * dayMs, signs: true }];
    const body = { generation: 1, roots, certificates: [{ ...certificate, ...times }] };
    const revoked = [{ kind: 'token', id, untilMs: start + 400 * dayMs }];
    const options = {
      server: ({ path }: { path: string }) => ({ body: path.endsWith('/revocations') ? revoked : body }),
      environment,
    };
    const { out } = await run('certs list', options);
    expect(out).toMatch(new RegExp(`^token +${id} +400d$`, 'm'));
    expect(out).toMatch(/^web-1 +spiffe:\/\/mesh\/svc\/web +k1k1k1k1k1 +- +1d +12h$/m);
    expect(out).toContain('1 certificate    1 root: k1k1k1k1k1 (signs) until 2039-12-30');
    expect((await run('certs show web-1', options)).out).toContain('notAfter: "2030-01-02T00:00:00.000Z"');
    expect((await run('certs show x', options)).code).toBe(1);
  });
});

describe('certs rotate-root', () => {
  const environment = { CHANCERY_TOKEN: 'abc' };
  const rotation = { phase: 'drain', sinceMs: start, waitsFor: 'time', untilMs: start + dayMs, former: 2 };

  it('begins a rotation, or forces one, and the list shows how far it is', async () => {
    const asked: string[] = [];
    const server = ({ method, path, body = '' }: { method: string; path: string; body?: string }) => {
      asked.push(`${method} ${path} ${body}`);
      return { body: path.endsWith('/certificates') ? { generation: 3, roots: [], rotation, certificates: [] } : [] };
    };
    expect((await run('certs rotate-root', { server, environment })).code).toBe(0);
    expect((await run('certs rotate-root --force', { server, environment })).code).toBe(0);
    expect(asked).toEqual([
      'POST 127.0.0.1:18080/api/v1/trust/rotation {"force":false}',
      'POST 127.0.0.1:18080/api/v1/trust/rotation {"force":true}',
    ]);
    expect((await run('certs list', { server, environment })).out).toContain(
      'rotation: drain since 2030-01-01 00:00, waits for time until 2030-01-02 00:00, 2 certificates of a former root\n',
    );
  });
});

describe('certs taint', () => {
  const environment = { CHANCERY_TOKEN: 'abc' };
  const issuers = ['ab12'.padEnd(40, '0'), 'ab34'.padEnd(40, '0'), undefined];
  const asked: string[] = [];
  const server = ({ method, path, body = '' }: { method: string; path: string; body?: string }) => {
    if (method !== 'GET') asked.push(`${path.slice('127.0.0.1:18080/api/v1/trust/'.length)} ${body}`);
    return { body: { certificates: issuers.map((issuer) => (issuer === undefined ? {} : { issuer })) } };
  };

  it.each([
    ['ab1', issuers[0]],
    ['AB:34:', issuers[1]],
    // Of another replica, as its log names it.
    ['cd'.repeat(20), 'cd'.repeat(20)],
  ])('%s: the intermediate that begins so', async (given, id) => {
    const { code, out, err } = await run(`certs taint ${given}`, { server, environment });
    expect([code, out, asked.at(-1)]).toEqual([
      ...[0, `issuer ${id} tainted\n`, `revocations ${JSON.stringify({ kind: 'issuer', id })}`],
    ]);
    expect(err).toContain('taint root');
  });

  it.each(['ab', 'f', ':'])('%s names no single intermediate', async (given) => {
    const before = asked.length;
    expect((await run(`certs taint ${given}`, { server, environment })).err).toContain('[CH1841]');
    expect(asked.length).toBe(before);
  });

  it('root: has it replaced, and says who has to join again', async () => {
    const { code, err } = await run('certs taint root', { server, environment });
    expect([code, asked.at(-1)]).toEqual([0, 'rotation {"compromised":true}']);
    expect(err).toMatch(/until they connect anew.* join again .*--join TOKEN --replace/);
  });
});

describeWithOpenssl('a node', () => {
  let place: TempDir;
  let root: string;
  let pin: string;
  let stranger: string;
  beforeAll(() => {
    place = createTempDir('join');
    root = readFileSync(createAuthority(place.path).ca, 'utf8');
    stranger = readFileSync(createAuthority(place.path, 'stranger').ca, 'utf8');
    const key = new X509Certificate(root).publicKey.export({ type: 'spki', format: 'der' });
    pin = createHash('sha256').update(key).digest('hex');
  });
  afterAll(() => place.remove());

  const principal = { id: 'spiffe://mesh/svc/web', services: ['web'], gateways: [] as string[] };

  /** A control plane that gives what is asked for, and remembers what it was asked. */
  function plane(
    more: {
      readonly nowMs?: () => number;
      readonly answer?: { status: number; body: object };
      readonly roots?: string;
      readonly lifeDays?: number;
    } = {},
  ) {
    const asked: SecureRequest[] = [];
    const secureServer: SecureFetch = async (request) => {
      asked.push(request);
      const path = new URL(request.url).pathname;
      if (path === '/api/v1/trust/roots')
        return { status: 200, body: JSON.stringify({ roots: more.roots ?? `${stranger}${root}` }) };
      if (more.answer !== undefined) return { status: more.answer.status, body: JSON.stringify(more.answer.body) };
      const certificate = (JSON.parse(request.body ?? '') as { publicKey?: string }).publicKey !== undefined;
      const issuedAtMs = more.nowMs?.() ?? start;
      const body = {
        credential: certificate ? { kind: 'certificate', chain: root } : { kind: 'token', token: nodeToken },
        ...{ roots: root, controlPlane: 'spiffe://mesh/chancery', principal },
        ...{ issuedAtMs, notAfterMs: issuedAtMs + (more.lifeDays ?? 30) * dayMs },
      };
      return { status: 200, body: JSON.stringify(body) };
    };
    return { asked, secureServer };
  }

  const join = 'bootstrap web-1 --credentials /c/web-1 -o json --join';

  it('joins: pins the authority before it sends the token, and names files that hold the credential', async () => {
    const { asked, secureServer } = plane();
    const { code, out, err, written } = await run(`${join} ${joinToken(pin)} --xds cp:18000`, { secureServer });
    expect([code, err.split('\n')[0]]).toEqual([0, 'token for web in /c/web-1, until 2030-01-31T00:00:00.000Z']);
    expect(asked.map(({ url, method }) => `${method} ${url}`)).toEqual([
      'GET https://cp:18000/api/v1/trust/roots',
      'POST https://cp:18000/api/v1/trust/join',
    ]);
    expect(asked[0]).not.toHaveProperty('body');
    expect(asked[1]?.expected).toEqual({ who: 'control-plane', ca: root });
    expect(JSON.parse(asked[1]?.body ?? '')).toEqual({ token: joinToken(pin) });
    expect([...written.keys()]).toEqual(
      ['roots.pem', 'roots.json', 'token.json', 'credential.json'].map((name) => `/c/web-1/${name}`),
    );
    expect(written.get('/c/web-1/token.json')).toContain(`"Bearer ${nodeToken}"`);
    for (const part of ['/c/web-1/token.json', '/c/web-1/roots.json', 'spiffe://mesh/chancery', '"service": "web"'])
      expect(out).toContain(part);
    // T21: the secret is in one file, and nowhere else.
    const files = [...written].filter(([, text]) => text.includes(canary)).map(([name]) => name);
    expect(files).toEqual(['/c/web-1/token.json']);
    expect(out + err).not.toContain(canary);
    // The bootstrap can be had again without a token.
    const kept = { files: Object.fromEntries(written) };
    const again = await run('bootstrap web-1 --credentials /c/web-1 -o json --xds cp:18000', kept);
    expect([again.code, again.out, again.err]).toEqual([0, out, '']);
    // Nor need the address be typed again: the credential has it, and it is said.
    const known = await run('bootstrap web-1 --credentials /c/web-1 -o json', kept);
    expect([known.code, known.out]).toEqual([0, out]);
    expect(known.err).toBe('control plane: cp:18000, as the credential says; --xds names another\n');
    const other = await run('bootstrap web-1 --credentials /c/web-1 -o json --xds other:18001', kept);
    expect([other.out.includes('"other"'), other.out.includes('"cp"'), other.err]).toEqual([true, false, '']);
    const grpc = await run('bootstrap web-1 --grpc --service web --credentials /c/web-1', {
      files: {
        ...kept.files,
        '/c/web-1/credential.json': (written.get('/c/web-1/credential.json') ?? '').replace('"token"', '"certificate"'),
        '/c/web-1/node.pem': root,
        '/c/web-1/node.key': 'k',
      },
    });
    expect(JSON.parse(grpc.out)).toHaveProperty('xds_servers.0.server_uri', 'cp:18000');
  });

  it('joins with a key that stays, for Envoy and for gRPC libraries', async () => {
    const { asked, secureServer } = plane();
    const line = `${join} ${joinToken(pin)} --certificate`;
    const { code, out, written } = await run(line, { secureServer });
    expect(code).toBe(0);
    expect(JSON.parse(out)).toHaveProperty(
      'staticResources.clusters.0.transportSocket.typedConfig.commonTlsContext.tlsCertificateSdsSecretConfigs.0.sdsConfig.pathConfigSource.path',
      '/c/web-1/certificate.json',
    );
    expect(out).not.toContain('credential_injector');
    const key = written.get('/c/web-1/node.key') ?? '';
    expect(key).toContain('BEGIN PRIVATE KEY');
    const body = key.split('\n')[1] ?? 'none';
    expect(JSON.stringify(asked)).not.toContain(body);
    expect(out).not.toContain(body);
    const files = Object.fromEntries(written);
    const grpc = await run('bootstrap shop-1 --grpc --service web --credentials /c/web-1 --xds cp:1', { files });
    expect(JSON.parse(grpc.out)).toHaveProperty('xds_servers.0.channel_creds.0.config', {
      ...{ ca_certificate_file: '/c/web-1/roots.pem', certificate_file: '/c/web-1/node.pem' },
      private_key_file: '/c/web-1/node.key',
    });
  });

  it('knows the control plane by files where they are named, and pins them in the bootstrap', async () => {
    const { asked, secureServer } = plane();
    const line = `${join} ${joinToken()} --xds-ca /ca.pem --xds cp:1`;
    const { code, out } = await run(line, { secureServer, files: { '/ca.pem': root } });
    expect([code, asked.map(({ expected }) => expected)]).toEqual([0, [{ who: 'named', ca: root, name: 'cp' }]]);
    expect(out).toContain('"filename": "/ca.pem"');
    expect(out).toContain('/c/web-1/token.json');
  });

  const refusals: readonly (readonly [string, () => string, string, string])[] = [
    ['another authority', () => joinToken('0'.repeat(64)), '', 'CH1852'],
    ['no authority', () => joinToken(), '', 'CH1852'],
    ['no token', () => canary, '', 'CH1851'],
    ['plaintext to elsewhere', () => joinToken(pin), '--server http://cp:18080', 'CH1857'],
    ['no server', () => joinToken(pin), '--server nowhere', 'CH1601'],
    ['a client certificate beside it', () => joinToken(pin), '--xds-token /t', 'CH1601'],
    ['a slip', () => joinToken(pin), '--upstream api', 'CH1601'],
    ['polls, which are given no certificate', () => joinToken(pin), '--rest', 'CH1601'],
  ];
  it.each(refusals)('T13, T21: sends nothing for %s', async (_name, token, more, code) => {
    const { asked, secureServer } = plane();
    const result = await run(`${join} ${token()} ${more}`, { secureServer });
    expect(result.err).toContain(`[${code}]`);
    expect(result.err + result.out).not.toContain(canary);
    expect(JSON.stringify(asked)).not.toContain(canary);
    expect(result.written.size).toBe(0);
  });

  it.each([
    ['web-1', '', ''],
    ['web-1', '--service default/web', ''],
    ['web-2', '', 'for node web-1, not for web-2: its streams are refused'],
    ['web-1', '--service api', 'for web, not for service api: its streams are refused'],
    ['web-1', '--service web --namespace shop', 'for web, not for service shop|web: its streams are refused'],
    ['web-1', '--gateway web', 'for web, not for gateway web: its streams are refused'],
  ])('warns on stderr of a proxy that would be refused: %s %s', async (node, more, warned) => {
    const { written } = await run(`${join} ${joinToken(pin)}`, plane());
    const files = Object.fromEntries(written);
    const record = JSON.parse(files['/c/web-1/credential.json'] ?? '') as { principal: object };
    const bound = { ...record, principal: { ...record.principal, nodeId: 'web-1' } };
    files['/c/web-1/credential.json'] = JSON.stringify(bound);
    const { code, out, err } = await run(`bootstrap ${node} --credentials /c/web-1 ${more}`, { files });
    expect([code, out]).toEqual([0, expect.stringContaining('/c/web-1/token.json')]);
    if (warned === '') expect(err).toBe('');
    else expect(err).toMatch(new RegExp(`^warning: .*${warned.replace('|', '[|]')}`));
  });

  it('says that a file of authorities is none before it uses a token up', async () => {
    const { asked, secureServer } = plane();
    const line = `${join} ${joinToken(pin)} --xds-ca /none.pem`;
    const { code, err } = await run(line, { secureServer, files: { '/none.pem': 'a: yaml' } });
    expect([code, asked]).toEqual([64, []]);
    expect(err).toContain('"/none.pem" holds no certificate in PEM. Name with --xds-ca');
  });

  it('joins in plaintext within one machine', async () => {
    const { secureServer } = plane();
    const server: FakeServer = async ({ path, body }) => {
      const answer = await secureServer({ url: `http://${path}`, body } as SecureRequest);
      return { status: answer.status, body: answer.body };
    };
    const { code, written } = await run(`${join} ${joinToken(pin)} --server http://127.0.0.1:18080`, { server });
    expect([code, written.has('/c/web-1/token.json')]).toEqual([0, true]);
  });

  it('does not overwrite a credential unasked, and uses no token up for it', async () => {
    const first = plane();
    const { written } = await run(`${join} ${joinToken(pin)}`, first);
    const files = Object.fromEntries(written);
    const { asked, secureServer } = plane();
    const refused = await run(`${join} ${joinToken(pin)}`, { secureServer, files });
    expect([refused.code, refused.err, asked]).toEqual([1, expect.stringContaining('[CH1853]'), []]);
    expect((await run(`${join} ${joinToken(pin)} --replace`, { secureServer, files })).code).toBe(0);
    const broken = await run('bootstrap web-1 --credentials /c/web-1', { files: { '/c/web-1/credential.json': '{' } });
    expect([broken.code, broken.err]).toEqual([1, expect.stringContaining('[CH1854]')]);
  });

  it('passes on why it was refused, in plain text, and never what it sent', async () => {
    const body = { code: 'CH1851', detail: 'the join token\u001b[2J was not accepted', hint: 'Make another.' };
    const { secureServer } = plane({ answer: { status: 401, body } });
    const { code, err } = await run(`${join} ${joinToken(pin)}`, { secureServer });
    expect([code, err]).toEqual([1, expect.stringContaining('[CH1851] https://127.0.0.1:18000: the join token')]);
    expect(err).not.toContain('\u001b');
    expect(err).not.toContain(canary);
    const strange = plane({ answer: { status: 200, body: { credential: { kind: 'token', token: 'a\r\nb' } } } });
    expect((await run(`${join} ${joinToken(pin)}`, strange)).err).toContain('[CH1606]');
  });

  describe('renews', () => {
    const joined = async (more = '') => {
      const { written } = await run(`${join} ${joinToken(pin)} ${more}`, plane());
      return Object.fromEntries(written);
    };

    it('not before half of its life is over, unless told to', async () => {
      const files = await joined();
      const { asked, secureServer } = plane({ roots: root });
      const early = await run('renew /c/web-1', { secureServer, files });
      expect([early.code, early.out, early.err]).toEqual([
        0,
        expect.stringContaining('still good until 2030-01-31'),
        '',
      ]);
      expect([early.written.size, asked.splice(0)]).toMatchObject([
        0,
        [{ url: expect.stringMatching('/trust/roots$') }],
      ]);
      const { code, out, err, written } = await run('renew /c/web-1 --now', { secureServer, files });
      expect([code, out, err]).toEqual([0, 'renewed, until 2030-01-31T00:00:00.000Z\n', '']);
      expect(asked).toMatchObject([
        {
          url: 'https://127.0.0.1:18000/api/v1/trust/renew',
          expected: { who: 'named', ca: root, name: 'spiffe://mesh/chancery' },
          headers: { authorization: `Bearer ${nodeToken}` },
        },
      ]);
      expect([...written.keys()].at(-1)).toBe('/c/web-1/credential.json');
      expect(JSON.parse(written.get('/c/web-1/credential.json') ?? '')).toMatchObject({ xds: '127.0.0.1:18000' });
    });

    it('learns of another root before it signs, from one that it knows, and keeps its credential', async () => {
      const files = await joined();
      const { asked, secureServer } = plane({ roots: `${root}${root}` });
      const { code, written } = await run('renew /c/web-1', { secureServer, files });
      expect([code, [...written.keys()]]).toEqual([0, ['/c/web-1/roots.pem', '/c/web-1/roots.json']]);
      expect(written.get('/c/web-1/roots.pem')).toBe(`${root}${root}`);
      expect(asked).toMatchObject([{ expected: { who: 'named', ca: root, name: 'spiffe://mesh/chancery' } }]);
      expect(asked[0]?.headers).not.toHaveProperty('authorization');
      const away = await run('renew /c/web-1', { secureServer: () => Promise.reject(new Error('away')), files });
      expect([away.code, away.err, away.written.size]).toEqual([0, expect.stringContaining('away'), 0]);
    });

    it('says of a server that its roots do not know that the node is to join again, and fails', async () => {
      const files = await joined();
      const secureServer: SecureFetch = () => Promise.reject(new AppError('CH1852', 'it did not prove who it is'));
      for (const line of ['renew /c/web-1', 'renew /c/web-1 --now']) {
        const { code, out, err, written } = await run(line, { secureServer, files });
        expect([code, out, written.size]).toEqual([1, '', 0]);
        expect(err).toContain('[CH1852] it did not prove who it is. ');
        expect(err).toContain('--join TOKEN --credentials /c/web-1 --replace');
      }
    });

    it('says that a file for Envoy is away or cut off, as does who prints its bootstrap again', async () => {
      const { '/c/web-1/token.json': token = '', ...rest } = await joined();
      for (const files of [rest, { ...rest, '/c/web-1/token.json': token.slice(0, 150) }])
        for (const line of ['renew /c/web-1', 'bootstrap web-1 --credentials /c/web-1']) {
          const { code, out, err } = await run(line, { ...plane({ roots: root }), files });
          expect([code, out], line).toEqual([1, '']);
          expect(err).toMatch(/\[CH1854\] "\/c\/web-1\/token.json" .*--join TOKEN --credentials \/c\/web-1 --replace/);
        }
    });

    it('a certificate at half of its own life, which what signed it cut short', async () => {
      const short = { lifeDays: 4, roots: root };
      const { written } = await run(`${join} ${joinToken(pin)} --certificate`, plane(short));
      const cli = createFakeCli({ ...plane(short), files: Object.fromEntries(written) });
      cli.clock.advance(2 * dayMs - 1000);
      expect(await runCommandLine(['renew', '/c/web-1'], cli.deps)).toBe(0);
      expect(cli.out()).toContain('it is renewed from 2030-01-03T00:00:00.000Z on');
      cli.clock.advance(1000);
      expect(await runCommandLine(['renew', '/c/web-1'], cli.deps)).toBe(0);
      expect(cli.out()).toMatch(/\nrenewed, until 2030-01-05T/);
    });

    it('shows the certificate it has, and asks for one of a new key', async () => {
      const files = await joined('--certificate');
      const { asked, secureServer } = plane();
      const { code, written } = await run('renew /c/web-1 --now', { secureServer, files });
      expect([code, asked[0]?.certificate]).toEqual([0, { chain: root, key: files['/c/web-1/node.key'] }]);
      expect(asked[0]?.headers).not.toHaveProperty('authorization');
      expect(written.get('/c/web-1/node.key')).not.toBe(files['/c/web-1/node.key']);
    });

    it('keeps what is there where it is refused, and where the answer is of another kind', async () => {
      const refusal = { status: 401, body: { code: 'CH1855', detail: 'no', hint: 'Join again.' } };
      const files = await joined();
      const refused = await run('renew /c/web-1 --now', { ...plane({ answer: refusal }), files });
      expect([refused.code, refused.err, refused.written.size]).toEqual([1, expect.stringContaining('[CH1855]'), 0]);
      expect(refused.err).not.toContain(canary);
      expect((await run('renew /nowhere')).err).toContain('[CH1854]');
    });

    it('at half of its life for as long as it runs, again after a failure, and ends when told', async () => {
      const files = await joined();
      let failing = true;
      const cli: FakeCli = createFakeCli({
        files,
        secureServer: async (request) => {
          if (failing) throw new Error('away');
          return plane({ nowMs: () => cli.clock.wall() }).secureServer(request);
        },
      });
      const done = runCommandLine(['renew', '/c/web-1', '--watch'], cli.deps);
      await cli.clock.advanceAsync(15 * dayMs - 1_000);
      expect(cli.out()).toBe('');
      await cli.clock.advanceAsync(10_000);
      expect(cli.err()).toContain('away');
      failing = false;
      await cli.clock.advanceAsync(60_000);
      expect(cli.out()).toMatch(/^2030-01-16T00:\S+ renewed, until 2030-02-15T00:\S+\n$/);
      await cli.clock.advanceAsync(15 * dayMs);
      expect(cli.out().split('\n')).toHaveLength(3);
      cli.stop.abort();
      expect(await done).toBe(0);
    });

    it('gives up once the credential holds no more', async () => {
      const files = await joined();
      const cli = createFakeCli({ files });
      const done = runCommandLine(['renew', '/c/web-1', '--watch'], cli.deps);
      await cli.clock.advanceAsync(31 * dayMs);
      expect(await done).toBe(1);
      expect(cli.err()).toContain('[CH1855] the credential ended before it could be renewed');
    });
  });
});
