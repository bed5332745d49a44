// Connect as an authority, over answers of Consul's form: what is taken, what is refused, and roots that change.
import { X509Certificate } from 'node:crypto';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type ConnectAuthority, createConnectAuthority } from '../../../src/ca/connect-authority.ts';
import type { Leaf } from '../../../src/ca/contract.ts';
import { publicKeyId } from '../../../src/ca/x509.ts';
import { AppError } from '../../../src/util/errors.ts';
import { type Logger, silentLogger } from '../../../src/util/log.ts';
import { describeWithOpenssl } from '../../support/certificates.ts';
import { connectDomain, connectPrefix, createFakeConnect, type FakeConnect } from '../../support/connect-consul.ts';
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts';
import { type MadeAuthority, makeAuthority } from '../../support/given-authority.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';
import { opensslVerify } from './openssl.ts';

describeWithOpenssl('Connect as an authority', () => {
  let dir: TempDir;
  let clock: FakeClock;
  let connect: FakeConnect;
  let said: string[];
  let failures: number;
  let stop: AbortController;
  beforeEach(() => {
    dir = createTempDir('connect');
    clock = createFakeClock(Date.now() + 60_000);
    connect = createFakeConnect(dir.path);
    said = [];
    failures = 0;
    stop = new AbortController();
  });
  afterEach(() => {
    stop.abort();
    dir.remove();
  });

  function authority(datacenter = 'dc1'): ConnectAuthority {
    const say = (message: string, fields: object = {}): void => void said.push(`${message} ${JSON.stringify(fields)}`);
    const log: Logger = { ...silentLogger, info: say, warn: say, error: say, child: () => log };
    const metric = (name: string) => ({
      add: () => void (name === 'ca_provider_failures_total' && failures++),
      ...{ set: () => {}, observe: () => {} },
    });
    const metrics = { counter: metric, gauge: metric, histogram: metric };
    return createConnectAuthority({ clock, random: () => 0.5, log, metrics, consul: connect }, { datacenter });
  }
  async function opened(): Promise<ConnectAuthority> {
    const made = authority();
    await made.open();
    return made;
  }
  const ask = (of: ConnectAuthority, service = 'web', urgency: 'none-yet' | 'routine' = 'none-yet'): Promise<Leaf> =>
    of.issue({ spiffeId: connectPrefix + service, seed: service, urgency });
  const keyIdOf = ({ pem }: MadeAuthority): string =>
    publicKeyId(Uint8Array.from(new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' })));
  const unavailable = new AppError('CH1301', 'no answer', { retryable: true });

  it('says what names begin with, and has the active root first', async () => {
    const made = authority();
    expect(() => made.roots()).toThrow('[CH1815]');
    expect(() => made.place()).toThrow('[CH1815]');
    await made.open();
    expect(made.place()).toBe(`${connectDomain}/ns/default/dc/dc1`);
    expect(made.roots().roots.map(({ keyId }) => keyId)).toEqual(connect.roots.map(keyIdOf));
  });

  it('gives a leaf with its key that openssl takes for clients and servers', async () => {
    const made = await opened();
    const leaf = await ask(made);
    const certificate = new X509Certificate(leaf.chain[0] ?? expect.fail());
    expect(certificate.subjectAltName).toBe(`URI:${connectPrefix}web`);
    expect(leaf.root).toBe(made.roots().roots[0]?.keyId);
    expect([leaf.notBeforeMs, leaf.notAfterMs]).toEqual([
      Date.parse(certificate.validFrom),
      Date.parse(certificate.validTo),
    ]);
    expect(leaf.serial).toBe(certificate.serialNumber.toLowerCase());
    const left = leaf.notAfterMs - clock.wall();
    expect(leaf.renewAtMs - clock.wall()).toBeGreaterThan(0.39 * left);
    expect(leaf.renewAtMs - clock.wall()).toBeLessThan(0.61 * left);
    for (const purpose of ['sslclient', 'sslserver'] as const) {
      const chain = {
        root: connect.roots[0]?.der ?? expect.fail(),
        intermediates: [],
        leaf: leaf.chain[0] ?? expect.fail(),
      };
      expect(opensslVerify(dir.path, chain, { purpose, ms: clock.wall() })).toMatchObject({ ok: true });
    }
  });

  it.each<[string, FakeConnect['leaf'], RegExp]>([
    ['of another service', { uri: `${connectPrefix}admin` }, /is for .*admin/],
    ['of another datacenter', { uri: `spiffe://${connectDomain}/ns/default/dc/dc2/svc/web` }, /dc2/],
    ['of two names', { uri: `${connectPrefix}web ${connectPrefix}admin` }, /is for/],
    ['that may sign', { leaf: false }, /not for servers and clients/],
    ['that is for servers alone', { uses: 'serverAuth' }, /not for servers and clients/],
  ])('T5: refuses a leaf %s', async (_, leaf, why) => {
    const made = await opened();
    connect.leaf = leaf;
    await expect(ask(made)).rejects.toMatchObject({ code: 'CH1887', retryable: true });
    await expect(ask(made)).rejects.toThrow(why);
    expect(failures).toBe(2);
  });

  it('T16: refuses a leaf with the key of another, and says no word of it', async () => {
    const made = await opened();
    const other = makeAuthority(dir.path, 'other');
    connect.leaf = { key: other };
    const failure = (await ask(made).catch((error: unknown) => error)) as AppError;
    expect(failure.code).toBe('CH1887');
    connect.instead = (path, body) =>
      path.includes('/leaf/') ? { ...(body as object), PrivateKeyPEM: 'canary-1' } : body;
    const broken = (await ask(made).catch((error: unknown) => error)) as AppError;
    expect(broken.code).toBe('CH1887');
    expect(`${broken.message} ${String(broken.cause)} ${said.join()}`).not.toContain('canary-1');
  });

  it('refuses a leaf of a root that Consul does not name, having asked for its roots again', async () => {
    const made = await opened();
    connect.leaf = { issuer: makeAuthority(dir.path, 'foreign') };
    await expect(ask(made)).rejects.toThrow(/chains to none of its roots/);
    expect(connect.asked.filter((path) => path.endsWith('/roots'))).toHaveLength(2);
  });

  it.each(['web/../admin', 'web?x', '', 'a b', 'ns/prod/svc/web'])(
    'T5: asks for nothing by the name %j',
    async (name) => {
      const made = await opened();
      const before = connect.asked.length;
      await expect(ask(made, name)).rejects.toMatchObject({ code: 'CH1809' });
      const id = 'spiffe://service.local/svc/web';
      await expect(made.issue({ spiffeId: id, seed: 'x', urgency: 'routine' })).rejects.toMatchObject({
        code: 'CH1809',
      });
      expect(connect.asked).toHaveLength(before);
    },
  );

  it.each<[string, (body: unknown) => unknown]>([
    ['no roots', (body) => ({ ...(body as object), Roots: [] })],
    ['no answer at all', () => 'Connect must be enabled'],
    ['no active root', (body) => ({ ...(body as object), ActiveRootID: 'another' })],
    [
      'a root that is no certificate',
      (body) => ({ ...(body as object), Roots: [{ ID: 'x', RootCert: 'x' }], ActiveRootID: 'x' }),
    ],
    ['a trust domain that is not its', (body) => ({ ...(body as object), TrustDomain: 'mesh.example' })],
  ])('does not open on %s, and gives nothing up for it later', async (_, change) => {
    const made = await opened();
    const before = made.roots();
    connect.instead = (path, body) => (path.endsWith('/roots') ? change(body) : body);
    const running = made.run(stop.signal);
    connect.rotate();
    await vi.waitFor(() => expect(said.join()).toContain('cannot be followed'));
    expect(made.roots()).toEqual(before);
    expect(failures).toBeGreaterThan(0);
    stop.abort();
    await running;
    const opening = expect(authority().open()).rejects.toMatchObject({ code: 'CH1887' });
    for (let second = 0; second < 60; second++) await clock.advanceAsync(1_000);
    await opening;
  });

  it('gives up no root for a Consul of another trust domain', async () => {
    const made = await opened();
    const before = made.roots();
    const running = made.run(stop.signal);
    const TrustDomain = connectDomain.replace('3a', '4b');
    const { name: ID, pem: RootCert } = makeAuthority(dir.path, 'other', { uri: `spiffe://${TrustDomain}` });
    connect.instead = (path, body) =>
      path.endsWith('/roots') ? { TrustDomain, ActiveRootID: ID, Roots: [{ ID, RootCert }] } : body;
    connect.rotate();
    await vi.waitFor(() => expect(said.join()).toContain('start again'));
    expect(made.roots()).toEqual(before);
    stop.abort();
    await running;
  });

  it('tells of another root first, and shows no leaf of it before it was told for a while', async () => {
    const made = await opened();
    const first = await ask(made);
    const heard: string[][] = [];
    made.onRoots(({ roots }) => heard.push(roots.map(({ keyId }) => keyId)));
    const running = made.run(stop.signal);
    await clock.settle();
    connect.rotate();
    await vi.waitFor(() => expect(heard).toEqual([connect.roots.map(keyIdOf)]));
    expect(made.roots().generation).toBe(2);
    let next: Leaf | undefined;
    const asking = ask(made, 'web', 'routine').then((leaf) => {
      next = leaf;
    });
    await clock.advanceAsync(9_000);
    expect(next).toBeUndefined();
    await clock.advanceAsync(2_000);
    await asking;
    expect(next?.root).toBe(made.roots().roots[0]?.keyId);
    expect(next?.root).not.toBe(first.root);
    // Its root, signed by the former, goes along: that is all a proxy needs that was told nothing yet.
    const former = connect.roots[1]?.der ?? expect.fail();
    const [leaf = expect.fail(), ...intermediates] = next?.chain ?? [];
    const at = { purpose: 'sslserver', ms: clock.wall() } as const;
    expect(opensslVerify(dir.path, { root: former, intermediates, leaf }, at)).toMatchObject({ ok: true });
    stop.abort();
    await running;
  });

  it('asks again soon for a leaf that is still of the former root', async () => {
    const made = await opened();
    const [former] = connect.roots;
    connect.rotate();
    connect.leaf = { issuer: former ?? expect.fail(), between: [] };
    const running = made.run(stop.signal);
    await vi.waitFor(() => expect(made.roots().roots).toHaveLength(2));
    const leaf = await ask(made);
    expect(leaf.root).toBe(keyIdOf(former ?? expect.fail()));
    expect(leaf.renewAtMs - clock.wall()).toBe(30_000);
    stop.abort();
    await running;
  });

  it('says who refused, and that nobody answered, each by its code', async () => {
    const made = await opened();
    connect.failure = { path: '/agent/connect/ca/leaf', error: new AppError('CH1310', 'refused with 403') };
    await expect(ask(made)).rejects.toMatchObject({ code: 'CH1886', retryable: false });
    connect.failure = { path: '/agent', error: unavailable };
    await expect(ask(made)).rejects.toMatchObject({ code: 'CH1885', retryable: true });
    const opening = expect(authority().open()).rejects.toMatchObject({ code: 'CH1885' });
    for (let second = 0; second < 60; second++) await clock.advanceAsync(1_000);
    await opening;
    expect(connect.asked.filter((path) => path.endsWith('/roots'))).toHaveLength(1 + 5);
  });

  it('opens when Consul comes back in time', async () => {
    connect.failure = { path: '/agent', error: unavailable };
    const made = authority();
    const opening = made.open();
    await clock.advanceAsync(1_000);
    connect.failure = undefined;
    for (let second = 0; second < 30; second++) await clock.advanceAsync(1_000);
    await opening;
    expect(made.roots().roots).toHaveLength(1);
  });
});
