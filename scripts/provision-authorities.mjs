// Authorities that others keep, for the tests of what they sign: $STEP_CA_BIN and $VAULT_BIN, PATH, the cache; step-ca is built
// with Go where it is nowhere. They are no part of what `npm start` needs, and where one cannot be had its tests are skipped by name.
// Invariant: a binary lies in the cache whole, or not at all.
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheRoot, goEnvironment, versionOf } from './parts.mjs';
import { placeWhole, run, withLock } from './steps.mjs';

const tools = join(dirname(dirname(fileURLToPath(import.meta.url))), 'tools');
const place = (name, version) => join(cacheRoot(), name, `${version}-${process.platform}-${process.arch}`);
const stepCa = { name: 'step-ca', version: '0.30.2', variable: 'STEP_CA_BIN' };
const vault = { name: 'vault', version: '1.21.4', variable: 'VAULT_BIN' };

function find({ name, version, variable }, env = process.env) {
  const onPath = (env.PATH ?? '').split(delimiter).filter((entry) => entry !== '');
  const candidates = [env[variable], ...onPath.map((entry) => join(entry, name)), join(place(name, version), name)];
  for (const path of candidates) {
    if (path === undefined || !existsSync(path)) continue;
    try {
      accessSync(path, constants.X_OK);
    } catch {
      continue;
    }
    const found = versionOf(path);
    if (found !== undefined) return { path, version: found };
  }
  return undefined;
}

/** `{ path, version }`, built where it is nowhere (one to three minutes, 1 GB in the cache); `{ missing }` when it cannot be had. */
export async function ensureStepCa() {
  const found = find(stepCa);
  if (found !== undefined) return found;
  const folder = place(stepCa.name, stepCa.version);
  const env = goEnvironment();
  const flags = `-s -w -X main.Version=${stepCa.version}`;
  try {
    await withLock(`${folder}.lock`, async () => {
      if (find(stepCa) !== undefined) return;
      await placeWhole(folder, async (temporary) => {
        const main = 'github.com/smallstep/certificates/cmd/step-ca';
        const args = ['build', '-trimpath', '-ldflags', flags, '-o', join(temporary, stepCa.name), main];
        await run('go', args, { cwd: join(tools, 'step-ca'), env, lowPriority: true });
      });
    });
  } catch (error) {
    return { missing: `go build in tools/step-ca: ${error instanceof Error ? error.message : String(error)}` };
  }
  return find(stepCa) ?? { missing: 'what was built does not run here' };
}

export const placeOfVault = place(vault.name, vault.version);

/** `{ path, version }`, or `{ missing }`: it is looked for only; scripts/provision-vault.mjs builds it. */
export function findVault() {
  return find(vault) ?? { missing: `no ${vault.variable}, and no vault on PATH` };
}
