// The suite of roots outside over each authority that keeps one: the real ones where they can be had, and Vault's recorded double.
import { createHash, sign } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ensureStepCa, findVault } from '../../scripts/provision-authorities.mjs';
import { createAuthorityAsk } from '../../src/ca/authority-ask.ts';
import { intermediateRequest } from '../../src/ca/csr.ts';
import type { ForeignAuthority } from '../../src/ca/foreign-roots.ts';
import { createStepCa, stepCaWords } from '../../src/ca/step-ca.ts';
import { createVault, vaultWords } from '../../src/ca/vault.ts';
import { generateKeyPair } from '../../src/ca/x509.ts';
import { type ProvisionerFiles, readProvisionerKey } from '../../src/cli/provisioner-key.ts';
import { signProvisionerToken } from '../../src/identity/provisioner-token.ts';
import type { Clock } from '../../src/util/clock.ts';
import { createFakeClock, type FakeClock } from '../support/fake-clock.ts';
import { startFakeVault, type VaultForTests } from '../support/fake-vault.ts';
import { type MadeRoot, makeRoot } from '../support/foreign-authority.ts';
import { makeIssuerBelowRoot, type RunningStepCa, type StepCaState, startStepCa } from '../support/real-step-ca.ts';
import { startVault } from '../support/real-vault.ts';
import { createTempDir } from '../support/temp-dir.ts';
import { createMemoryStore } from '../unit/ca/memory-store.ts';
import { type OutsideRig, outsideConformance, outsideTrustDomain, replicaOf } from './ca-roots-outside-suite.ts';

/** Shows the time of the machine, from where it is moved on: real authorities know no other. */
function clockOfMachine(): FakeClock {
  const clock = createFakeClock();
  return { ...clock, wall: () => Date.now() + clock.now() };
}

/** As src/cli/trust-root-vault.ts does. */
function vaultAt(clock: Clock, url: string, token: string): ForeignAuthority {
  const name = `Vault at ${url}`;
  const ask = createAuthorityAsk({ clock }, { name, wordsOf: vaultWords });
  return createVault(ask, { ...{ name, url, mount: 'pki' }, token: async () => token, ca: async () => undefined });
}

async function vaultRig(vault: VaultForTests): Promise<OutsideRig> {
  const clock = clockOfMachine();
  let added = '';
  const dropOthers = async (kept: string): Promise<void> => {
    for (const id of await vault.issuers()) if (id !== kept) await vault.removeIssuer(id);
  };
  return {
    clock,
    authority: vaultAt(clock, vault.url, vault.token),
    unwelcome: vaultAt(clock, vault.url, 'hvs.stranger'),
    async another() {
      added = await vault.addIssuer('root-2');
    },
    takeOver: () => vault.makeDefault(added),
    drop: () => dropOthers(added),
    async exchange() {
      added = await vault.addIssuer('root-3');
      await vault.makeDefault(added);
      await dropOthers(added);
    },
    ...{ stop: vault.stop, start: vault.start },
    [Symbol.asyncDispose]: () => vault[Symbol.asyncDispose](),
  };
}

outsideConformance({
  kind: 'Vault (a double, as Vault 1.21.4 was recorded)',
  exchanges: true,
  rig: async () => vaultRig(await startFakeVault()),
});

const vault = findVault();
if (vault.path === undefined)
  describe.skip(`roots of a real Vault [skipped: ${vault.missing}]`, () => it('is there', () => undefined));
else
  outsideConformance({
    kind: `Vault ${vault.version}`,
    exchanges: true,
    rig: async () => vaultRig(await startVault(vault.path)),
  });

/** As src/cli/trust-root-step-ca.ts does. */
function stepCaAt(
  clock: Clock,
  ca: RunningStepCa,
  provisioner: ProvisionerFiles & { readonly name: string },
  fingerprint = ca.fingerprint,
): ForeignAuthority {
  const { url } = ca;
  const name = `step-ca at ${url}`;
  const ask = createAuthorityAsk({ clock }, { name, wordsOf: stepCaWords });
  return createStepCa(
    { ask, clock },
    {
      ...{ name, url, fingerprint },
      async token(of) {
        const key = await readProvisionerKey(provisioner, process.geteuid?.());
        const audience = `${url}/1.0/sign${'kid' in key.header ? '' : `#x5c/${provisioner.name}`}`;
        return signProvisionerToken(key, { ...of, issuer: provisioner.name, audience, nowMs: Date.now() });
      },
    },
  );
}

function makeOrder() {
  const { publicKey, privateKey } = generateKeyPair();
  const prove = (bytes: Uint8Array): Uint8Array => sign('sha256', bytes, privateKey);
  const request = () => intermediateRequest({ publicKey, prove, trustDomain: outsideTrustDomain });
  return { publicKey, request };
}

const fingerprintOf = (root: MadeRoot | undefined): string =>
  createHash('sha256')
    .update(root?.certificate ?? '')
    .digest('hex');

const stepCa = await ensureStepCa();
if (stepCa.path === undefined) {
  describe.skip(`roots of a real step-ca [skipped: ${stepCa.missing}]`, () => it('is there', () => undefined));
} else {
  const binary = stepCa.path;
  const kinds = [
    ['JWK', ({ jwkFile }: RunningStepCa) => ({ name: 'mesh', jwkFile })],
    ['X5C', ({ x5c }: RunningStepCa) => ({ name: 'mesh-x5c', ...x5c })],
  ] as const;
  for (const [title, provisionerOf] of kinds)
    outsideConformance({
      kind: `step-ca ${stepCa.version} by ${title}`,
      async rig() {
        const clock = clockOfMachine();
        const { root, issuer } = makeIssuerBelowRoot();
        let state: StepCaState = { roots: [root], signs: root, issuer };
        const ca = await startStepCa(binary, state);
        const change = (next: StepCaState): Promise<void> => {
          state = next;
          return ca.change(next);
        };
        return {
          clock,
          get authority() {
            return stepCaAt(clock, ca, provisionerOf(ca), fingerprintOf(state.roots[0]));
          },
          unwelcome: stepCaAt(clock, ca, { ...provisionerOf(ca), name: 'nobody' }),
          another: () => change({ ...state, roots: [...state.roots, makeRoot(Date.now())] }),
          takeOver: () => change({ roots: state.roots, signs: state.roots[1] ?? state.signs }),
          drop: () => change({ roots: [state.signs], signs: state.signs }),
          ...{ stop: ca.stop, start: ca.start, [Symbol.asyncDispose]: () => ca[Symbol.asyncDispose]() },
        };
      },
    });

  describe('step-ca', () => {
    it('T13: with another root than the pinned one is believed nothing, and no token is sent', async () => {
      const clock = clockOfMachine();
      const root = makeRoot(Date.now());
      await using ca = await startStepCa(binary, { roots: [root], signs: root });
      const pinned = '00'.repeat(32);
      await expect(stepCaAt(clock, ca, { name: 'mesh', jwkFile: ca.jwkFile }, pinned).read([])).rejects.toThrow(
        expect.objectContaining({ code: 'CH1874' }),
      );
    });

    it('T13: that has another root at once is not believed, until the configuration names its fingerprint; then both are told', async () => {
      const clock = clockOfMachine();
      const store = createMemoryStore();
      const [old, next] = [makeRoot(Date.now()), makeRoot(Date.now())];
      await using ca = await startStepCa(binary, { roots: [old], signs: old });
      const replica = (root: MadeRoot) =>
        replicaOf({
          clock,
          store,
          authority: stepCaAt(clock, ca, { name: 'mesh', jwkFile: ca.jwkFile }, fingerprintOf(root)),
        });
      const provider = replica(old);
      const before = await provider.open();
      await ca.change({ roots: [next], signs: next });
      expect(await provider.reload()).toEqual(before);
      await expect(replica(old).open()).rejects.toThrow('[CH1877]');
      const { roots } = await replica(next).open();
      expect(roots.map(({ keyId }) => keyId)).toEqual([next.keyId, old.keyId]);
    });

    it('refuses a provisioner whose key is gone, and a life that its provisioner does not allow, in its words', async () => {
      using folder = createTempDir('step-key');
      const clock = clockOfMachine();
      const root = makeRoot(Date.now());
      await using ca = await startStepCa(binary, { roots: [root], signs: root });
      const authority = stepCaAt(clock, ca, { name: 'mesh', jwkFile: ca.jwkFile });
      const order = makeOrder();
      await expect(authority.sign({ ...order, lifeMs: 30 * 86_400_000 }, [])).rejects.toThrow(/CH1874.*duration/);
      const lost = join(folder.path, 'key.jwk');
      writeFileSync(lost, '{}', { mode: 0o600 });
      rmSync(lost);
      await expect(
        stepCaAt(clock, ca, { name: 'mesh', jwkFile: lost }).sign({ ...order, lifeMs: 86_400_000 }, []),
      ).rejects.toThrow('[CH1876]');
    });
  });
}

describe('Vault (a double)', () => {
  it('is sent the token for signing only, and the namespace with everything', async () => {
    await using vault = await startFakeVault();
    const clock = clockOfMachine();
    const ask = createAuthorityAsk({ clock }, { name: 'Vault', wordsOf: vaultWords });
    const one = createVault(ask, {
      ...{ name: 'Vault', url: vault.url, mount: '/pki/', namespace: 'teams/mesh' },
      ...{ token: async () => vault.token, ca: async () => undefined },
    });
    await one.read([]);
    const order = makeOrder();
    await one.sign({ ...order, lifeMs: 60_000 }, []);
    expect(
      vault.requests.map(({ line, token, namespace }) => [
        line.replace(/issuer\/[0-9a-f-]{36}/, 'issuer/ID'),
        token,
        namespace,
      ]),
    ).toEqual([
      ['GET /v1/pki/issuer/default/json', undefined, 'teams/mesh'],
      ['GET /v1/pki/issuers?list=true', undefined, 'teams/mesh'],
      ['GET /v1/pki/issuer/ID/json', undefined, 'teams/mesh'],
      [`POST ${['', 'v1', 'pki', 'root', 'sign-intermediate'].join('/')}`, vault.token, 'teams/mesh'],
    ]);
  });

  it.each([
    ['sealed', 503, '{"errors":["Vault is sealed"]}', 'CH1873'],
    ['too busy', 429, '{"errors":["request path rate limit quota exceeded"]}', 'CH1873'],
    ['a proxy before it that is broken', 502, '<html>bad gateway</html>', 'CH1873'],
    ['somebody else', 200, '<html>welcome</html>', 'CH1875'],
    ['something else', 200, '{"data": {"certificate": 1}}', 'CH1875'],
    ['an engine without an issuer', 200, '{"data": {"certificate": "", "ca_chain": []}}', 'CH1875'],
  ])('that is %s changes nothing, and says so', async (_, status, body, code) => {
    await using vault = await startFakeVault();
    const authority = vaultAt(clockOfMachine(), vault.url, vault.token);
    await authority.read([]);
    vault.answer = { status, body };
    await expect(authority.read([])).rejects.toThrow(expect.objectContaining({ code, retryable: true }));
    vault.answer = undefined;
    await authority.read([]);
  });
});
