// Builds HashiCorp Vault 1.21.4 with Go into the cache, for the tests that can ask a real one: `node scripts/provision-vault.mjs`.
// Ten minutes or more and 6 GB of caches, so nothing runs it by itself; any Vault in $VAULT_BIN or on PATH serves as well.
// What the module proxy has of Vault's SDK differs from the SDK inside Vault in two signatures: a copy of it is put right here.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findVault, placeOfVault } from './provision-authorities.mjs';
import { placeWhole, run, withLock } from './steps.mjs';

const tool = join(dirname(dirname(fileURLToPath(import.meta.url))), 'tools/vault');
const sdk = 'github.com/hashicorp/vault/sdk';

/** Throws where the text is another one than was put right before. */
function replaceIn(file, from, to) {
  const text = readFileSync(file, 'utf8');
  if (!text.includes(from)) throw new Error(`${file} does not say ${from}`);
  writeFileSync(file, text.replaceAll(from, to));
}

async function build(folder) {
  const env = { ...process.env, CGO_ENABLED: '0', GOTOOLCHAIN: 'local' };
  const work = mkdtempSync(join(tmpdir(), 'chancery-vault-'));
  try {
    for (const name of ['go.mod', 'go.sum']) cpSync(join(tool, name), join(work, name));
    // Outside any module: in this one it is replaced.
    const told = await run('go', ['mod', 'download', '-json', `${sdk}@v0.21.0`], { cwd: tmpdir(), env });
    const copy = join(work, 'sdk');
    cpSync(JSON.parse(told).Dir, copy, { recursive: true });
    await run('chmod', ['-R', 'u+w', copy]);
    const activation = 'ActivationFunc func(context.Context, *logical.Request';
    replaceIn(join(copy, 'framework/backend.go'), `${activation}, string) error`, `${activation}) error`);
    restoreWithName(join(copy, 'helper/keysutil/lock_manager.go'));
    const args = ['build', '-trimpath', '-ldflags', '-s -w', '-o', join(folder, 'vault'), 'github.com/hashicorp/vault'];
    await run('go', args, { cwd: work, env: { ...env, GOFLAGS: '-mod=readonly' }, lowPriority: true });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** `RestorePolicy` tells the name of what it restored as well. */
function restoreWithName(file) {
  const text = readFileSync(file, 'utf8');
  const start = text.indexOf(') RestorePolicy(');
  const end = text.indexOf('\n}\n', start);
  if (start < 0 || end < 0) throw new Error(`${file} has no RestorePolicy`);
  const body = text
    .slice(start, end)
    .replace('force bool) error {', 'force bool) (string, error) {')
    .replaceAll(/return (err|fmt\.Errorf|errwrap)/g, 'return "", $1')
    .replace(/return nil$/, 'return name, nil');
  writeFileSync(file, text.slice(0, start) + body + text.slice(end));
}

if (findVault().path === undefined) await withLock(`${placeOfVault}.lock`, () => placeWhole(placeOfVault, build));
console.log(findVault());
