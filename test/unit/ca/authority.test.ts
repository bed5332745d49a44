// The authority of a replica: what it signs is valid and ends at a root that is told, through renewals and failures.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { type AuthorityOptions, createAuthority } from '../../../src/ca/authority.ts';
import type { Authority, Leaf, LeafRequest } from '../../../src/ca/contract.ts';
import { type Signer, type StartSigner, startSigner } from '../../../src/ca/signer.ts';
import { generateKeyPair } from '../../../src/ca/x509.ts';
import { AppError } from '../../../src/util/errors.ts';
import type { LogFields, Logger } from '../../../src/util/log.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createRootsInMemory } from '../../support/roots-in-memory.ts';

const hour = 3_600_000;
const day = 24 * hour;
const web: LeafRequest = { spiffeId: 'spiffe://example.org/svc/web', seed: 'web-1', urgency: 'none-yet' };
const stopping: AbortController[] = [];
const threads: Signer[] = [];
afterEach(async () => {
  for (const controller of stopping.splice(0)) controller.abort();
  const started = threads.splice(0);
  for (const thread of started) thread.kill();
  await Promise.all(started.map(({ ended }) => ended));
});
const start: StartSigner = (name, onAnswers) => {
  const signer = startSigner(name, onAnswers);
  threads.push(signer);
  return signer;
};

function setUp(options: Partial<AuthorityOptions> = {}, isTainted: (issuer: string) => boolean = () => false) {
  const clock = createFakeClock();
  const provider = createRootsInMemory(clock);
  const lines: { readonly level: string; readonly message: string; readonly fields: LogFields }[] = [];
  const line =
    (level: string) =>
    (message: string, fields: LogFields = {}): void =>
      void lines.push({ level, message, fields });
  const log: Logger = {
    ...{ debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') },
    child: () => log,
  };
  const authority = createAuthority(
    { clock, random: () => 0.5, log, provider, start, isTainted },
    { trustDomain: 'example.org', ...options },
  );
  /** Runs it; a failure of `run` fails the test that waits for `done`. */
  function run(): { readonly stop: () => void; readonly done: Promise<void> } {
    const controller = new AbortController();
    stopping.push(controller);
    return { stop: () => controller.abort(), done: authority.run(controller.signal) };
  }
  const warnings = (): string[] => lines.filter(({ level }) => level === 'warn').map(({ message }) => message);
  return { clock, provider, authority, run, lines, warnings };
}

/** Throws unless every certificate is signed by the next, the last by a root that is told, and all are valid now. */
function checkChain(authority: Authority, chain: readonly Uint8Array[], nowMs: number): X509Certificate {
  const read = chain.map((der) => new X509Certificate(der));
  const last = read.at(-1);
  const root = authority
    .roots()
    .roots.map(({ certificate }) => new X509Certificate(certificate))
    .find((candidate) => last?.checkIssued(candidate) === true);
  if (root === undefined) throw new Error('the chain ends at none of the roots');
  [...read, root].reduce((certificate, issuer) => {
    expect(certificate.checkIssued(issuer)).toBe(true);
    expect(certificate.verify(issuer.publicKey)).toBe(true);
    expect(certificate.validToDate.getTime()).toBeLessThanOrEqual(issuer.validToDate.getTime());
    expect(certificate.validFromDate.getTime()).toBeGreaterThanOrEqual(issuer.validFromDate.getTime());
    return issuer;
  });
  for (const certificate of read) {
    expect(certificate.validFromDate.getTime()).toBeLessThanOrEqual(nowMs);
    expect(certificate.validToDate.getTime()).toBeGreaterThan(nowMs);
  }
  const [leaf] = read;
  if (leaf === undefined) throw new Error('the chain is empty');
  return leaf;
}

describe('a leaf', () => {
  it('chains to a root, bears one name, has its key, and says of itself what its certificate says', async () => {
    const { clock, authority } = setUp();
    await authority.open();
    const leaf = await authority.issue(web);
    expect(leaf.chain).toHaveLength(2);
    const read = checkChain(authority, leaf.chain, clock.wall());
    expect(read.ca).toBe(false);
    expect(read.subjectAltName).toBe(`URI:${web.spiffeId}`);
    const key = createPrivateKey({ key: Buffer.from(leaf.key), format: 'der', type: 'pkcs8' });
    expect(read.checkPrivateKey(key)).toBe(true);
    expect(read.serialNumber.toLowerCase()).toBe(leaf.serial);
    expect(read.validFromDate.getTime()).toBe(leaf.notBeforeMs);
    expect(read.validToDate.getTime()).toBe(leaf.notAfterMs);
    expect(leaf.notBeforeMs).toBe(clock.wall() - 15 * 60_000);
    expect(leaf.notAfterMs).toBe(clock.wall() + day);
    expect(leaf.root).toBe(authority.roots().roots[0]?.keyId);
    const share = (leaf.renewAtMs - clock.wall()) / day;
    expect(share).toBeGreaterThanOrEqual(0.4);
    expect(share).toBeLessThanOrEqual(0.6);
  });

  it('is renewed at the same place for the same seed, after a restart too, with another key and serial', async () => {
    const both = [];
    for (const { authority } of [setUp(), setUp()]) {
      await authority.open();
      both.push(await authority.issue(web));
    }
    const [one, other] = both;
    expect(one?.renewAtMs).toBe(other?.renewAtMs);
    expect(one?.serial).not.toBe(other?.serial);
    expect(Buffer.from(one?.key ?? []).equals(other?.key ?? Buffer.alloc(0))).toBe(false);
  });

  it('T5: is not issued for another trust domain, or for a name that is none', async () => {
    const { authority } = setUp();
    await authority.open();
    for (const spiffeId of [
      'spiffe://elsewhere.org/svc/web',
      'spiffe://example.org.evil/svc/web',
      'spiffe://example.org/',
      'spiffe://example.org/svc/../web',
      'spiffe://example.org/svc/web,URI:spiffe://example.org/svc/admin',
      'https://example.org/svc/web',
    ])
      await expect(authority.issue({ ...web, spiffeId }), spiffeId).rejects.toMatchObject({ code: 'CH1809' });
  });

  it('T21: leaves no key in the log', async () => {
    const { authority, lines } = setUp();
    await authority.open();
    const leaf = await authority.issue(web);
    const scalar = createPrivateKey({ key: Buffer.from(leaf.key), format: 'der', type: 'pkcs8' }).export({
      format: 'jwk',
    });
    const text = JSON.stringify(lines);
    expect(text).toContain('signs');
    for (const secret of [
      Buffer.from(leaf.key).toString('base64'),
      Buffer.from(leaf.key).toString('hex'),
      scalar.d ?? '',
    ])
      expect(text).not.toContain(secret);
  });
});

describe('other certificates', () => {
  it('are signed for the listener with its names', async () => {
    const { clock, authority } = setUp();
    await authority.open();
    const uri = 'spiffe://example.org/chancery';
    const server = await authority.issueServer({ dns: ['plane.example.org'], ips: ['10.0.0.7', '::1'], uri });
    const read = checkChain(authority, server.chain, clock.wall());
    expect(read.subjectAltName?.split(', ').sort()).toEqual([
      'DNS:plane.example.org',
      'IP Address:0:0:0:0:0:0:0:1',
      'IP Address:10.0.0.7',
      `URI:${uri}`,
    ]);
    expect(read.checkPrivateKey(createPrivateKey({ key: Buffer.from(server.key), format: 'der', type: 'pkcs8' }))).toBe(
      true,
    );
    expect(server.notAfterMs).toBe(clock.wall() + day);
  });

  it('T6: are signed for an edge with its hosts alone, and never for a name of the control plane', async () => {
    const { clock, authority } = setUp({ reservedHosts: ['plane.example.org', 'localhost'] });
    await authority.open();
    const hosts = ['shop.example', '*.shop.example', 'other.example.org'];
    const edge = await authority.issueEdge(hosts);
    const read = checkChain(authority, edge.chain, clock.wall());
    expect(read.subjectAltName?.split(', ').sort()).toEqual(hosts.map((host) => `DNS:${host}`).sort());
    expect(read.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
    expect(edge.renewAtMs - clock.wall()).toBeGreaterThanOrEqual(0.4 * day);
    expect(edge.renewAtMs - clock.wall()).toBeLessThanOrEqual(0.6 * day);
    for (const host of ['plane.example.org', 'PLANE.example.org', '*.example.org', 'localhost'])
      await expect(authority.issueEdge(['shop.example', host])).rejects.toThrow(/CH1266/);
    for (const host of ['spiffe://example.org/svc/web', '10.0.0.1', '*', '*.*.x', 'a b', 'a\0.x', ''])
      await expect(authority.issueEdge([host])).rejects.toThrow(/CH1809/);
    await expect(authority.issueEdge([])).rejects.toThrow(/CH1809/);
  });

  it('are signed for a key that somebody else keeps, not longer than the intermediate lives', async () => {
    const { clock, authority } = setUp();
    await authority.open();
    const pair = generateKeyPair();
    const certified = await authority.certify({ ...web, publicKey: pair.publicKey, lifeMs: 30 * day });
    const read = checkChain(authority, certified.chain, clock.wall());
    expect(read.checkPrivateKey(pair.privateKey)).toBe(true);
    expect(certified.notAfterMs).toBe(clock.wall() + 7 * day);
    expect(certified.renewAtMs).toBeLessThan(certified.notAfterMs);
    expect(certified).not.toHaveProperty('key');
    // A client's, and that alone: what proxies show each other is told from it by that.
    expect(read.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
  });
});

describe('lives', () => {
  it.each([
    [{ leafLifeMs: 299_999 }],
    [{ leafLifeMs: 7 * day + 1 }],
    [{ leafLifeMs: Number.NaN }],
    [{ leafLifeMs: day, intermediateLifeMs: 2 * day - 1 }],
    [{ backdateMs: -1 }],
  ])('like %o are refused', (options) => {
    expect(() => setUp(options)).toThrow(expect.objectContaining({ code: 'CH1604' }));
  });

  it('of intermediates grow with those of leaves', async () => {
    const { clock, provider, authority } = setUp({ leafLifeMs: 6 * day });
    await authority.open();
    expect((await authority.issue(web)).notAfterMs).toBe(clock.wall() + 6 * day);
    expect(provider.asked).toBe(1);
  });
});

describe('opening', () => {
  it('comes before anything else', async () => {
    const { authority } = setUp();
    const code = 'CH1815';
    expect(() => authority.roots()).toThrow(expect.objectContaining({ code }));
    await expect(authority.issue(web)).rejects.toMatchObject({ code });
    await expect(authority.run(new AbortController().signal)).rejects.toMatchObject({ code });
  });

  it('is tried again where that can help', async () => {
    const { clock, provider, authority } = setUp();
    provider.failure = new AppError('CH1816', 'the keeper sleeps', { retryable: true });
    const opened = authority.open();
    await clock.advanceAsync(1_000);
    provider.failure = undefined;
    await clock.advanceAsync(2_000);
    await opened;
    expect(authority.roots().roots).toHaveLength(1);
  });

  it('fails at once where it cannot: a key-encryption key that is missing is not waited for', async () => {
    const { clock, provider, authority } = setUp();
    provider.failure = new AppError('CH1805', 'no key-encryption key');
    await expect(authority.open()).rejects.toMatchObject({ code: 'CH1805' });
    expect(clock.pending()).toBe(0);
  });

  it('ends after some tries', async () => {
    const { clock, provider, authority } = setUp();
    provider.failure = new AppError('CH1816', 'the keeper sleeps', { retryable: true });
    const outcome = authority.open().catch((error: unknown) => error);
    await clock.advanceAsync(5 * 60_000);
    expect(await outcome).toMatchObject({ code: 'CH1816' });
  });
});

describe('an intermediate', () => {
  it('is renewed at half of its life, and leaves of before stay valid', async () => {
    const { clock, provider, authority, run } = setUp();
    await authority.open();
    const before = await authority.issue(web);
    run();
    await clock.advanceAsync(3.4 * day);
    expect(provider.asked).toBe(1);
    await clock.advanceAsync(0.2 * day);
    expect(provider.asked).toBe(2);
    const after = await authority.issue(web);
    expect(Buffer.compare(before.chain[1] ?? Buffer.alloc(0), after.chain[1] ?? Buffer.alloc(0))).not.toBe(0);
    checkChain(authority, before.chain, before.notAfterMs - 1);
    checkChain(authority, after.chain, clock.wall());
    expect(after.notAfterMs - clock.wall()).toBeGreaterThan(day - 1_000);
  });

  it('that cannot be renewed shortens leaves, with a warning, and at last stops them; then all is well again', async () => {
    const { clock, provider, authority, run, warnings } = setUp();
    await authority.open();
    const end = clock.wall() + 7 * day;
    run();
    provider.failure = new Error('the store is gone');
    await clock.advanceAsync(6.5 * day);
    expect(warnings().filter((text) => text.startsWith('the provider of the roots failed')).length).toBeGreaterThan(10);
    const short = await authority.issue(web);
    expect(short.notAfterMs).toBe(end);
    const share = (short.renewAtMs - clock.wall()) / (end - clock.wall());
    expect(share).toBeGreaterThanOrEqual(0.4);
    expect(share).toBeLessThanOrEqual(0.6);
    await authority.issue(web);
    expect(warnings().filter((text) => text.startsWith('certificates live shorter'))).toHaveLength(1);
    checkChain(authority, short.chain, clock.wall());
    await clock.advanceAsync(0.5 * day);
    await expect(authority.issue(web)).rejects.toMatchObject({ code: 'CH1816', retryable: true });
    provider.failure = undefined;
    await clock.advanceAsync(2 * 60_000);
    const well = await authority.issue(web);
    checkChain(authority, well.chain, clock.wall());
    expect(well.notAfterMs - clock.wall()).toBeGreaterThan(day - 1_000);
  });

  it('that was given shorter than asked is renewed in its own time', async () => {
    const { clock, provider, authority, run, warnings } = setUp();
    provider.mostMs = hour;
    await authority.open();
    run();
    expect(warnings()).toEqual(['the intermediate ends sooner than was asked for']);
    for (let step = 0; step < 48; step++) {
      await clock.advanceAsync(hour / 4);
      const leaf = await authority.issue(web);
      checkChain(authority, leaf.chain, clock.wall());
      expect(leaf.notAfterMs - clock.wall()).toBeGreaterThan(hour / 2 - 61_000);
    }
    expect(provider.asked).toBeLessThan(30);
  });

  it('never outlives its root, and is not asked for all the time as that ends', async () => {
    const clock = createFakeClock();
    const provider = createRootsInMemory(clock, { lifeMs: 2 * day });
    const log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log };
    const authority = createAuthority(
      { clock, random: () => 0.5, log, provider, start },
      { trustDomain: 'example.org' },
    );
    await authority.open();
    const controller = new AbortController();
    stopping.push(controller);
    void authority.run(controller.signal);
    await clock.advanceAsync(2 * day - 2 * hour);
    const leaf = await authority.issue(web);
    expect(leaf.notAfterMs).toBe(authority.roots().roots[0]?.notAfterMs);
    await clock.advanceAsync(2 * hour - 10_000);
    expect(provider.asked).toBeLessThan(60);
  });

  it('lives seconds in a test, and every leaf is valid all the same', async () => {
    const options = { leafLifeMs: 2_000, intermediateLifeMs: 5_000, backdateMs: 1_000, shortLives: true };
    const { clock, provider, authority, run, warnings } = setUp(options);
    await authority.open();
    run();
    const leaves: Leaf[] = [];
    for (let step = 0; step < 120; step++) {
      await clock.advanceAsync(250);
      const leaf = await authority.issue({ ...web, seed: String(step) });
      checkChain(authority, leaf.chain, clock.wall());
      leaves.push(leaf);
    }
    expect(new Set(leaves.map(({ chain }) => Buffer.from(chain[1] ?? []).toString('hex'))).size).toBeGreaterThan(8);
    expect(provider.asked).toBeLessThan(30);
    expect(warnings().filter((text) => !text.startsWith('the intermediate ends sooner'))).toEqual([]);
  });

  it('that is refused changes nothing', async () => {
    const { clock, provider, authority, lines, run } = setUp();
    await authority.open();
    const good = await authority.issue(web);
    const other = await provider.signIntermediate({ publicKey: generateKeyPair().publicKey, lifeMs: 7 * day });
    run();
    provider.instead = () => other;
    await clock.advanceAsync(4 * day);
    expect(lines.flatMap(({ fields }) => fields['error'] ?? [])).toContain(
      '[CH1816] the intermediate that the provider gave is of another key than was asked for',
    );
    const leaf = await authority.issue(web);
    expect(leaf.chain[1]).toEqual(good.chain[1]);
  });
});

describe('roots that change', () => {
  it('are told at once, and leaves are signed by the one that is first', async () => {
    const { clock, provider, authority, run } = setUp();
    await authority.open();
    const [first] = authority.roots().roots;
    run();
    const told: string[][] = [];
    authority.onRoots(({ roots }) => told.push(roots.map(({ keyId }) => keyId)));
    const next = provider.add('last');
    await clock.advanceAsync(61_000);
    expect(told).toEqual([[first?.keyId, next]]);
    expect((await authority.issue(web)).root).toBe(first?.keyId);
    provider.keep(next, first?.keyId ?? '');
    await clock.advanceAsync(61_000);
    expect(told).toHaveLength(2);
    const leaf = await authority.issue(web);
    expect(leaf.root).toBe(next);
    checkChain(authority, leaf.chain, clock.wall());
    provider.keep(next);
    await clock.advanceAsync(61_000);
    expect(told.at(-1)).toEqual([next]);
    expect((await authority.issue(web)).root).toBe(next);
    expect(provider.asked).toBe(2);
  });

  it('are told though no intermediate can be had of the new one, and again when it is there', async () => {
    const { clock, provider, authority, run } = setUp();
    await authority.open();
    run();
    let told = 0;
    authority.onRoots(() => told++);
    const next = provider.add('first');
    provider.instead = (given) => ({ ...given, certificate: Buffer.from('nothing') });
    await clock.advanceAsync(61_000);
    expect(told).toBe(1);
    expect((await authority.issue(web)).root).not.toBe(next);
    provider.instead = undefined;
    await clock.advanceAsync(61_000);
    expect(told).toBe(2);
    expect((await authority.issue(web)).root).toBe(next);
  });

  it('are asked for at once by who cannot wait, and an intermediate of the first with them', async () => {
    const { clock, provider, authority } = setUp();
    await expect(authority.refresh()).rejects.toMatchObject({ code: 'CH1815' });
    await authority.open();
    const before = authority.roots().roots[0]?.keyId ?? '';
    const next = provider.add('first');
    // A provider that knows the new root and signs with the old one still.
    const elsewhere = provider.signIntermediate;
    provider.signIntermediate = async (request) => {
      provider.keep(before, next);
      const given = await elsewhere(request);
      provider.keep(next, before);
      return given;
    };
    await expect(authority.refresh()).rejects.toMatchObject({ code: 'CH1816', retryable: true });
    expect((await authority.issue(web)).root).toBe(before);
    provider.signIntermediate = elsewhere;
    await authority.refresh();
    const leaf = await authority.issue(web);
    expect(leaf.root).toBe(next);
    checkChain(authority, leaf.chain, clock.wall());
  });

  it('are not given up for an empty answer', async () => {
    const { clock, provider, authority, run } = setUp();
    await authority.open();
    const before = authority.roots();
    run();
    provider.keep();
    await clock.advanceAsync(10 * 60_000);
    expect(authority.roots()).toEqual(before);
    checkChain(authority, (await authority.issue(web)).chain, clock.wall());
  });
});

describe('stopping', () => {
  it('refuses what waits and what comes later, ends the threads, and waits for no provider that hangs', async () => {
    const { clock, provider, authority, run } = setUp();
    await authority.open();
    const { stop, done } = run();
    await authority.issue(web);
    provider.signIntermediate = () => new Promise(() => {});
    await clock.advanceAsync(4 * day);
    const waiting = authority.issue(web).catch((error: unknown) => error);
    stop();
    await done;
    expect(await waiting).toMatchObject({ code: 'CH1815' });
    await expect(authority.issue(web)).rejects.toMatchObject({ code: 'CH1815' });
    await Promise.all(threads.map(({ ended }) => ended));
    expect(clock.pending()).toBe(0);
  });
});

describe('an intermediate that is tainted', () => {
  it('T15: signs nothing more once another can be had, which is told once', async () => {
    const tainted = new Set<string>();
    const { authority, clock } = setUp({}, (issuer) => tainted.has(issuer));
    await authority.open();
    let told = 0;
    authority.onRoots(() => told++);
    const before = await authority.issue(web);
    await authority.refresh();
    expect((await authority.issue(web)).issuer).toBe(before.issuer);
    tainted.add(before.issuer ?? '');
    await authority.refresh();
    const after = await authority.issue(web);
    expect([after.root, told]).toEqual([before.root, 1]);
    expect(after.issuer).not.toBe(before.issuer);
    checkChain(authority, after.chain, clock.wall());
    // It is what the certificate itself says, and what nodes are refused by.
    const { publicKey } = generateKeyPair();
    const node = await authority.certify({ spiffeId: web.spiffeId, publicKey, lifeMs: hour });
    expect(Buffer.from(node.chain[0] ?? []).toString('hex')).toContain(after.issuer);
    await authority.refresh();
    expect(told).toBe(1);
  });
});
