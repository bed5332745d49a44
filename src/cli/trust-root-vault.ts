// Vault or OpenBao as the keeper of the root, from `trust.root`: where it is, and where the token comes from.
// It must not know what is asked of it. Invariant: token and authority file are read at every use, for others replace them.
import { readFile } from 'node:fs/promises';
import { authorityUrl, createAuthorityAsk } from '../ca/authority-ask.ts';
import { createVault, vaultWords } from '../ca/vault.ts';
import type { KeyEncryptionKeyConfig, VaultRootConfig } from '../model/config-trust.ts';
import { AppError } from '../util/errors.ts';
import { keyReaders } from './seal-key.ts';
import type { RootDeps, RootParts, Roots } from './trust-root.ts';
import { outsideRoots } from './trust-root-outside.ts';

export async function vaultRoots(deps: RootDeps, parts: RootParts, root: VaultRootConfig): Promise<Roots> {
  const url = authorityUrl(root.address);
  const name = `Vault at ${url}`;
  const ask = createAuthorityAsk(deps, { name, wordsOf: vaultWords });
  const { caFile } = root;
  const authority = createVault(ask, {
    ...{ name, url, mount: root.mount, issuer: root.issuer, namespace: root.namespace },
    token: () => readToken(deps.environment, root.token),
    ca: async () => (caFile === undefined ? undefined : readText(caFile, 'the authority of Vault')),
  });
  return outsideRoots(deps, parts, { kind: root.kind, authority, sealKey: root.sealKey });
}

/** Rejects with CH1876; the message never holds what was read. */
async function readToken(
  environment: Readonly<Record<string, string | undefined>>,
  { file, env, command }: KeyEncryptionKeyConfig,
): Promise<string> {
  const readers = keyReaders(environment);
  const [place, text] =
    file !== undefined
      ? ([`the file ${file}`, await readText(file, 'the token for Vault')] as const)
      : env !== undefined
        ? ([`the variable ${env}`, readers.environment(env) ?? ''] as const)
        : ([`the output of "${command?.[0]}"`, await printed(readers.command(command ?? []), command?.[0])] as const);
  const token = text.trim();
  // One word of printable characters: anything else cannot stand in a header.
  if (!/^[\x21-\x7e]{1,4096}$/.test(token))
    throw new AppError('CH1876', `${place} holds no token for Vault`, { retryable: true });
  return token;
}

async function printed(output: Promise<Uint8Array>, program = ''): Promise<string> {
  try {
    return Buffer.from(await output).toString();
  } catch {
    throw new AppError('CH1876', `"${program}" printed no token for Vault: it failed`, { retryable: true });
  }
}

async function readText(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new AppError('CH1876', `${what} cannot be read from ${path}`, { cause, retryable: true });
  }
}
