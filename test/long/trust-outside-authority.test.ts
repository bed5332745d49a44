// An authority outside that signs the intermediates, under traffic: its root is exchanged from one moment to the next, the token is
// replaced in its file, and the control plane is started again in between. Requests go through two sidecars, and a caller of the
// mesh makes a new connection four times a second. Nothing fails. With a real Vault where there is one, else with its double.
import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findVault } from '../../scripts/provision-authorities.mjs';
import { createHandshakeWatch, trustedRoots } from '../e2e/handshake-watch.ts';
import { type ShortLivedMesh, startShortLivedMesh } from '../e2e/short-lived-mesh.ts';
import { startFakeVault, type VaultForTests } from '../support/fake-vault.ts';
import { startLoad } from '../support/load.ts';
import { describeWith } from '../support/real-parts.ts';
import { startVault } from '../support/real-vault.ts';

const lives = { leafLifeMs: 12_000, intermediateLifeMs: 24_000, backdateMs: 1_000, shortLives: true };
const found = findVault();
const which = found.path === undefined ? "Vault's double" : `Vault ${found.version}`;

describeWith(['envoy'], `certificates below ${which}`, () => {
  let vault: VaultForTests;
  let mesh: ShortLivedMesh;
  let tokenFile = '';
  beforeAll(async () => {
    vault = found.path === undefined ? await startFakeVault() : await startVault(found.path);
    mesh = await startShortLivedMesh(lives, (folder) => {
      tokenFile = join(folder, 'vault-token');
      writeFileSync(tokenFile, `${vault.token}\n`, { mode: 0o600 });
      return { domain: 'mesh.example', root: { kind: 'vault', address: vault.url, token: { file: tokenFile } } };
    });
  }, 120_000);
  afterAll(async () => {
    await mesh?.[Symbol.asyncDispose]();
    await vault?.[Symbol.asyncDispose]();
  });

  it('has another root, another token and a restart, and fails no request and no handshake', {
    timeout: 200_000,
  }, async () => {
    const load = startLoad({ port: mesh.outbound, host: 'api', perSecond: 100, maxSeconds: 190 });
    const { failures, until } = createHandshakeWatch(mesh, { deadlineMs: 60_000, restarts: true });
    const trusted = (): readonly string[] => trustedRoots(mesh);
    const intermediate = (): string => {
      const [, above = ''] = mesh.secretsOf('web-1').cert.split(/(?=-----BEGIN)/);
      return above === '' ? '' : new X509Certificate(above).serialNumber;
    };

    const [old = ''] = trusted();
    const former = intermediate();
    // As Vault Agent does once it could not renew: the old token is worth nothing, the next one comes a moment later.
    writeFileSync(tokenFile, 'hvs.ended\n');
    await until('Vault refuses the token', () => mesh.warnings().some((line) => line.includes('CH1874')));
    expect(intermediate()).toBe(former);
    writeFileSync(tokenFile, vault.token);
    await until('another intermediate signs', () => ![former, ''].includes(intermediate()));

    const next = await vault.addIssuer('root-2');
    await vault.makeDefault(next);
    for (const id of await vault.issuers()) if (id !== next) await vault.removeIssuer(id);
    await until('both are trusted', () => trusted().length === 2);
    expect(trusted()[0]).toBe(old);
    // What the timer of every node does hourly: it learns of the next root.
    for (const node of ['api-1', 'web-1']) await mesh.chancery(['renew', join(mesh.folder, node)]);
    // What was told is told again after a restart, though Vault has forgotten the old root.
    await mesh.stop();
    await mesh.start();
    expect(trusted()).toHaveLength(2);
    expect(trusted()).toContain(old);
    await until('the new root signs', () => trusted()[0] !== old);
    await until('the old root is trusted no more', () => !trusted().includes(old));
    await until('all certificates are of the new root', () => {
      const shown = mesh.plane().control.certificates();
      return shown.length === 2 && shown.every((one) => one.root === trusted()[0]);
    });

    await expect(mesh.plane().trust?.rotation.begin()).rejects.toMatchObject({ code: 'CH1884' });
    expect(mesh.warnings().join('\n')).not.toContain(vault.token);
    const { sent, failures: lost } = await load.stop();
    expect(failures).toEqual([]);
    expect(lost).toEqual({});
    expect(sent).toBeGreaterThan(1_000);
  });
});
