// An authority that is given in files: what is refused, who may read the key, and replacements as tools make them. Made by the
// openssl command; the contract itself is test/conformance/ca-given-roots.test.ts.
import { randomBytes, X509Certificate } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Roots } from '../../../src/ca/contract.ts';
import { seal, unseal } from '../../../src/ca/envelope.ts';
import { createForeignRoots, type ForeignRoots } from '../../../src/ca/foreign-roots.ts';
import { createIssuerFiles } from '../../../src/ca/issuer-files.ts';
import { generateKeyPair, publicKeyId } from '../../../src/ca/x509.ts';
import type { Logger } from '../../../src/util/log.ts';
import { silentLogger } from '../../../src/util/log.ts';
import { describeWithOpenssl } from '../../support/certificates.ts';
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts';
import { type MadeAuthority, type MakeOptions, makeAuthority } from '../../support/given-authority.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';
import { createMemoryStore, type MemoryStore } from './memory-store.ts';

const trustDomain = 'mesh.example';
const uid = process.geteuid?.();
const day = 86_400_000;
const sealKey = randomBytes(32);
const limits = { startMs: 120_000, holdMs: 120_000, patienceMs: 3_600_000, leavingMs: 600_000 };

describeWithOpenssl('an authority that is given in files', () => {
  let made: TempDir;
  let root: MadeAuthority;
  let ca: MadeAuthority;
  let other: MadeAuthority;
  let otherCa: MadeAuthority;
  let count = 0;
  const make = (options: MakeOptions = {}): MadeAuthority => makeAuthority(made.path, `a${++count}`, options);
  beforeAll(() => {
    made = createTempDir('given');
    root = make();
    ca = make({ issuer: root });
    other = make();
    otherCa = make({ issuer: other });
  });
  afterAll(() => made.remove());

  let dir: TempDir;
  let clock: FakeClock;
  let said: string[];
  let confirmed: boolean | Error;
  let asked: Roots[];
  let store: MemoryStore;
  const at = (name: string): string => join(dir.path, name);
  beforeEach(() => {
    dir = createTempDir('issuer-files');
    // Later than whatever a test makes: openssl takes its time for a key of RSA.
    clock = createFakeClock(Date.now() + 60_000);
    said = [];
    confirmed = true;
    asked = [];
    store = createMemoryStore();
    put(ca, [root]);
  });
  afterEach(() => dir.remove());

  const say = (message: string, fields?: object): void => void said.push(`${message} ${JSON.stringify(fields ?? {})}`);
  const log: Logger = { ...silentLogger, info: say, warn: say, error: say, child: () => log };
  const failures = { count: 0 };
  const counted = { add: () => void failures.count++, set: () => {}, observe: () => {} };

  function provider(owner = uid, key = sealKey): ForeignRoots {
    failures.count = 0;
    const paths = { certificate: at('tls.crt'), key: at('tls.key'), roots: at('ca.crt') };
    const placeOf = (path: string) => ({ path, trustDomain, generation: 1 });
    return createForeignRoots(
      {
        ...{ clock, log, store },
        authority: createIssuerFiles({ clock, uid: owner }, { ...paths, trustDomain }),
        seal: async (plain, path) => seal(key, placeOf(path), plain),
        unseal: async (sealed, path) => unseal(key, placeOf(path), sealed),
        metrics: { counter: () => counted, gauge: () => counted, histogram: () => counted },
        async confirmed(roots) {
          asked.push(roots);
          if (confirmed instanceof Error) throw confirmed;
          return confirmed;
        },
      },
      { ...limits, kind: 'issuer-files', trustDomain, leftOutIsDistrusted: true },
    );
  }

  /** One file, by rename. */
  function write(name: string, text: string | Buffer): void {
    writeFileSync(at(`${name}.new`), text, { mode: 0o600 });
    renameSync(at(`${name}.new`), at(name));
  }
  function put(authority: MadeAuthority, roots: readonly MadeAuthority[], chain: readonly MadeAuthority[] = []): void {
    write('tls.crt', [authority, ...chain].map(({ pem }) => pem).join(''));
    write('tls.key', readFileSync(authority.key));
    write('ca.crt', roots.map(({ pem }) => pem).join(''));
  }
  const keyIdOf = ({ pem }: MadeAuthority): string =>
    publicKeyId(Uint8Array.from(new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' })));
  const ids = ({ roots }: Roots): readonly string[] => roots.map(({ keyId }) => keyId);
  async function refused(code: string, text: string | RegExp = /./): Promise<void> {
    const before = readdirSync(dir.path).sort();
    const attempt = provider().open();
    await expect(attempt).rejects.toMatchObject({ code });
    await expect(attempt).rejects.toThrow(text);
    expect(readdirSync(dir.path).sort()).toEqual(before);
  }

  it('is used as it is there: its root first, and an intermediate below it', async () => {
    put(ca, [other, root]);
    const files = provider();
    const roots = await files.open();
    expect(ids(roots)).toEqual([keyIdOf(root), keyIdOf(other)]);
    const { certificate, chain } = await files.signIntermediate({
      publicKey: generateKeyPair().publicKey,
      lifeMs: 60_000,
    });
    expect(chain.map((der) => Buffer.from(der))).toEqual([Buffer.from(ca.der)]);
    expect(new X509Certificate(certificate).verify(new X509Certificate(ca.pem).publicKey)).toBe(true);
  });

  it.each(['rsa', 'P-384', 'P-521'] as const)('may have a key of %s, and so may its root', async (kind) => {
    const above = make({ kind });
    const below = make({ kind, issuer: above });
    put(below, [above]);
    expect(ids(await provider().open())).toEqual([keyIdOf(above)]);
  });

  it('may be a root itself, and may have others between it and its root', async () => {
    put(root, [root]);
    const alone = provider();
    await alone.open();
    expect((await alone.signIntermediate({ publicKey: generateKeyPair().publicKey, lifeMs: 1_000 })).chain).toEqual([]);
    const below = make({ issuer: ca, pathLength: 1 });
    // A root in the file is never part of a chain.
    put(below, [root], [ca, root]);
    const deep = provider();
    await deep.open();
    const { chain } = await deep.signIntermediate({ publicKey: generateKeyPair().publicKey, lifeMs: 1_000 });
    expect(chain.map((der) => Buffer.from(der))).toEqual([below, ca].map(({ der }) => Buffer.from(der)));
  });

  it.each<[string, MakeOptions, RegExp]>([
    ['may have no authority below it', { pathLength: 0 }, /allows 0 authorities below it/],
    ['is no authority', { leaf: true }, /not one of an authority/],
    ['is of another trust domain', { uri: 'spiffe://other.example' }, /other\.example/],
    ['has a key that Envoy does not take', { kind: 'ed25519' }, /of a kind that Envoy does not take/],
  ])('that %s is refused', async (_, options, why) => {
    put(make({ ...options, issuer: root }), [root]);
    await refused('CH1882', why);
  });

  it('below one that may have only one below it is refused', async () => {
    const middle = make({ issuer: root, pathLength: 1 });
    put(make({ issuer: middle }), [root], [middle]);
    await refused('CH1882', /allows 1 authorities below it, and there are 2/);
  });

  it('of a root that is not beside it is refused', async () => {
    put(ca, [other]);
    await refused('CH1882', /chains to none of the roots/);
  });

  it('beside a bundle that has what is no root is refused: proxies would trust all below it', async () => {
    write('ca.crt', root.pem + ca.pem);
    await refused('CH1883', /not self-signed/);
  });

  it('beside roots of which one has ended is used without that one', async () => {
    const short = make({ days: 1 });
    write('ca.crt', short.pem + root.pem);
    clock.setWall(Date.now() + 2 * 86_400_000);
    expect(ids(await provider().open())).toEqual([keyIdOf(root)]);
    write('ca.crt', short.pem);
    await refused('CH1883', /no root that is valid now/);
  });

  it('that has ended is refused', async () => {
    put(make({ issuer: root, days: 1 }), [root]);
    clock.setWall(Date.now() + 2 * 86_400_000);
    await refused('CH1882', /ended 20/);
  });

  it.each(['tls.crt', 'tls.key', 'ca.crt'])(
    'without %s, or with garbage in it, is refused, and nothing is made',
    async (name) => {
      const whole = readFileSync(at(name), 'utf8');
      for (const text of ['', whole.slice(0, whole.length >> 1), 'something else\n', '\0'.repeat(100)]) {
        write(name, text);
        await refused('CH1881');
      }
      rmSync(at(name));
      await refused('CH1881', name);
      mkdirSync(at(name));
      await refused('CH1881', name);
    },
  );

  it('T16: with the key of another is refused, and no word of either is said', async () => {
    write('tls.key', readFileSync(other.key));
    await refused('CH1881', /is not the key of/);
    const body = readFileSync(other.key, 'utf8').split('\n')[1] ?? expect.fail();
    write('tls.key', `-----BEGIN PRIVATE KEY-----\n${body}\n-----END PRIVATE KEY-----\n`);
    const error = (await provider()
      .open()
      .catch((reason: unknown) => reason)) as Error;
    expect(`${error.message} ${String(error.cause)} ${error.stack}`).not.toContain(body.slice(0, 16));
  });

  it('T16: whose key others can read or change is refused', async () => {
    for (const mode of [0o604, 0o640, 0o602, 0o620, 0o644]) {
      chmodSync(at('tls.key'), mode);
      await refused('CH1881', 'is open to others');
    }
    chmodSync(at('tls.key'), 0o400);
    await provider().open();
    // Of the super-user, who may hand it to a group to read, but not to all.
    const files = provider((uid ?? 0) + 1);
    if (statSync(at('tls.key')).uid === 0) {
      chmodSync(at('tls.key'), 0o440);
      await files.open();
      chmodSync(at('tls.key'), 0o444);
      await expect(files.open()).rejects.toMatchObject({ code: 'CH1881' });
    } else await expect(files.open()).rejects.toThrow('belongs to the user');
  });

  it('is followed through a link that is swapped, as orchestrators do', async () => {
    for (const [name, authority, above] of [
      ['one', ca, root],
      ['two', otherCa, other],
    ] as const) {
      mkdirSync(at(name));
      copyFileSync(authority.cert, at(`${name}/tls.crt`));
      copyFileSync(authority.key, at(`${name}/tls.key`));
      writeFileSync(at(`${name}/ca.crt`), above.pem + root.pem);
    }
    symlinkSync('one', at('..data'));
    for (const name of ['tls.crt', 'tls.key', 'ca.crt']) {
      rmSync(at(name));
      symlinkSync(`..data/${name}`, at(name));
    }
    const files = provider();
    expect(ids(await files.open())).toEqual([keyIdOf(root)]);
    await files.signIntermediate({ publicKey: generateKeyPair().publicKey, lifeMs: 60_000 });
    symlinkSync('two', at('..new'));
    renameSync(at('..new'), at('..data'));
    expect(ids(await files.reload())).toEqual([keyIdOf(root), keyIdOf(other)]);
  });

  it('replaced file by file, stays the one that was there until all fit together', async () => {
    const files = provider();
    const before = await files.open();
    const next = make({ issuer: root });
    const signer = async (): Promise<string> => {
      const { chain } = await files.signIntermediate({ publicKey: generateKeyPair().publicKey, lifeMs: 60_000 });
      return Buffer.from(chain[0] ?? []).toString('base64');
    };
    const base64 = ({ der }: MadeAuthority): string => Buffer.from(der).toString('base64');
    write('tls.crt', next.pem);
    for (let look = 0; look < 3; look++) expect(await files.reload()).toEqual(before);
    expect(await signer()).toBe(base64(ca));
    expect(said.filter((line) => line.includes('cannot be followed'))).toHaveLength(1);
    expect(failures.count).toBe(3);
    write('tls.key', readFileSync(next.key));
    expect(await files.reload()).toEqual(before);
    expect(await signer()).toBe(base64(next));
    rmSync(at('tls.key'));
    expect(await files.reload()).toEqual(before);
    expect(await signer()).toBe(base64(next));
  });

  it('of another root: the root is told first, and signs when proxies confirmed it and time has passed', async () => {
    const files = provider();
    expect(await files.open()).toMatchObject({ generation: 1 });
    const signs = async (): Promise<boolean> => {
      const { certificate } = await files.signIntermediate({ publicKey: generateKeyPair().publicKey, lifeMs: day });
      return new X509Certificate(certificate).verify(new X509Certificate(otherCa.pem).publicKey);
    };
    expect(await signs()).toBe(false);
    put(otherCa, [other]);
    confirmed = false;
    const told = await files.reload();
    // The former stays though the file has it no more: it signs.
    expect([told.generation, ids(told), await signs()]).toEqual([2, [keyIdOf(root), keyIdOf(other)], false]);
    clock.advance(limits.holdMs);
    expect([ids(await files.reload()), await signs()]).toEqual([ids(told), false]);
    // What was asked about is what proxies are told.
    expect(ids(asked.at(-1) ?? expect.fail())).toEqual(ids(told));
    confirmed = new Error('no store');
    expect(ids(await files.reload())).toEqual(ids(told));
    confirmed = true;
    const after = await files.reload();
    expect([after.generation, ids(after), await signs()]).toEqual([2, [keyIdOf(other), keyIdOf(root)], true]);
    clock.advance(limits.leavingMs);
    const left = await files.reload();
    expect([left.generation, ids(left)]).toEqual([3, [keyIdOf(other)]]);
  });

  describe('over a restart', () => {
    const order = () => ({ publicKey: generateKeyPair().publicKey, lifeMs: day });
    const signer = async (files: ForeignRoots): Promise<string> => {
      const { chain } = await files.signIntermediate(order());
      return chain.some((der) => Buffer.from(der).equals(otherCa.der)) ? 'other' : 'first';
    };
    /** One that signs under the first root, and knows that the files have another one. */
    async function told(): Promise<ForeignRoots> {
      const files = provider();
      await files.open();
      expect(await signer(files)).toBe('first');
      put(otherCa, [other]);
      expect(ids(await files.reload())).toEqual([keyIdOf(root), keyIdOf(other)]);
      return files;
    }
    /** Signs, as soon as it does. */
    async function waits(files: ForeignRoots) {
      let by = '';
      const pending = signer(files).then((one) => {
        by = one;
      });
      await new Promise((resolve) => setImmediate(resolve));
      return { by: () => by, pending };
    }

    it('what was told is known: the rest of the time is waited, and the former root stays as long as it would have', async () => {
      await told();
      clock.advance(limits.startMs - 30_000);
      const again = provider();
      expect(ids(await again.open())).toEqual([keyIdOf(other), keyIdOf(root)]);
      const { by, pending } = await waits(again);
      await clock.advanceAsync(29_999);
      expect(by()).toBe('');
      await clock.advanceAsync(1);
      await pending;
      expect(by()).toBe('other');
      clock.advance(limits.leavingMs - limits.startMs - 1);
      expect(ids(await again.reload())).toEqual([keyIdOf(other), keyIdOf(root)]);
      clock.advance(1);
      expect(ids(await again.reload())).toEqual([keyIdOf(other)]);
    });

    it('files that were exchanged meanwhile are told before they sign', async () => {
      const files = provider();
      await files.open();
      put(otherCa, [other]);
      const again = provider();
      expect(ids(await again.open())).toEqual([keyIdOf(other), keyIdOf(root)]);
      const { by, pending } = await waits(again);
      await clock.advanceAsync(limits.startMs - 1);
      expect(by()).toBe('');
      await clock.advanceAsync(1);
      await pending;
      expect(by()).toBe('other');
    });

    it('without what was told, files are taken as they are', async () => {
      await told();
      store = createMemoryStore();
      const again = provider();
      expect(ids(await again.open())).toEqual([keyIdOf(other)]);
      expect(await signer(again)).toBe('other');
    });

    it('T16: who can write the store plants no root, and cannot have one sign sooner', async () => {
      await told();
      const [path = ''] = store.values.keys();
      const whole = store.values.get(path) ?? expect.fail();
      const plain = new TextDecoder().decode(whole);
      expect(plain).not.toContain(Buffer.from(root.der).toString('base64'));
      const placeOf = { path, trustDomain, generation: 1 };
      const planted = JSON.stringify([{ certificate: Buffer.from(other.der).toString('base64'), toldMs: 0 }]);
      for (const value of [Buffer.from(planted), seal(randomBytes(32), placeOf, Buffer.from(planted))]) {
        store.values.set(path, value);
        await expect(provider().open()).rejects.toThrow(/\[CH180[678]\]/);
      }
      store.values.set(path, whole);
      await provider().open();
    });
  });

  it('of another root that was told long before signs at once, which is how a careful keeper does it', async () => {
    const files = provider();
    await files.open();
    await files.signIntermediate({ publicKey: generateKeyPair().publicKey, lifeMs: day });
    put(ca, [root, other]);
    expect(ids(await files.reload())).toEqual([keyIdOf(root), keyIdOf(other)]);
    clock.advance(limits.holdMs);
    put(otherCa, [root, other]);
    expect(ids(await files.reload())).toEqual([keyIdOf(other), keyIdOf(root)]);
  });

  it('whose root was left out and never signed is distrusted at once, by every replica that was told of it', async () => {
    put(ca, [root, other]);
    const [one, two] = [provider(), provider()];
    for (const files of [one, two]) {
      expect(new Set(ids(await files.open()))).toEqual(new Set([keyIdOf(root), keyIdOf(other)]));
      await files.signIntermediate({ publicKey: generateKeyPair().publicKey, lifeMs: day });
    }
    put(ca, [root]);
    for (const files of [one, two]) expect(ids(await files.reload())).toEqual([keyIdOf(root)]);
  });

  it('is not taken from a replica that signs under it by one that does not', async () => {
    put(ca, [root, other]);
    const behind = provider();
    await behind.open();
    await behind.signIntermediate({ publicKey: generateKeyPair().publicKey, lifeMs: day });
    // The other one began later, with the other authority.
    put(otherCa, [root, other]);
    const ahead = provider();
    await ahead.open();
    await ahead.signIntermediate({ publicKey: generateKeyPair().publicKey, lifeMs: day });
    put(otherCa, [other]);
    expect(ids(await ahead.reload())).toEqual([keyIdOf(other)]);
    confirmed = false;
    const kept = await behind.reload();
    expect(ids(kept)).toContain(keyIdOf(root));
    expect(ids(await ahead.reload())).toEqual([keyIdOf(other), keyIdOf(root)]);
    // Until that one changed over, and what it signed was replaced.
    confirmed = true;
    clock.advance(limits.holdMs);
    expect(ids(await behind.reload())[0]).toBe(keyIdOf(other));
    await behind.signIntermediate({ publicKey: generateKeyPair().publicKey, lifeMs: day });
    clock.advance(limits.leavingMs);
    for (const files of [behind, ahead]) expect(ids(await files.reload())).toEqual([keyIdOf(other)]);
  });

  it('whose root was renewed with its key has the one told in place of the other, and signs on', async () => {
    const renewed = make({ keyOf: root });
    const files = provider();
    await files.open();
    const order = { publicKey: generateKeyPair().publicKey, lifeMs: day };
    await files.signIntermediate(order);
    put(ca, [renewed]);
    const { roots } = await files.reload();
    expect(roots.map(({ certificate }) => Buffer.from(certificate))).toEqual([Buffer.from(renewed.der)]);
    await files.signIntermediate(order);
  });

  it('that cannot be had at a start is asked for again only where that can help', async () => {
    write('tls.key', readFileSync(other.key));
    await expect(provider().open()).rejects.toMatchObject({ retryable: true });
    put(make({ issuer: root, pathLength: 0 }), [root]);
    await expect(provider().open()).rejects.toMatchObject({ retryable: false });
  });
});
