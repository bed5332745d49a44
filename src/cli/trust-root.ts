// Who keeps the root, from `trust.root`: we, in files or sealed in a store, or somebody else; and what replicas share to rotate it.
// It must not know leaves or streams. Invariant: only what `trust.root` names is loaded.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { RootProvider } from '../ca/contract.ts';
import type { KeptRoots } from '../ca/kept-root.ts';
import type { RotationJournal } from '../ca/rotation-driver.ts';
import type { RotationFleetDeps } from '../control/rotation-fleet.ts';
import { rootFolder, type TrustConfig } from '../model/config-trust.ts';
import type { SourceDeps } from '../sources/source-deps.ts';
import type { ClosableStore } from '../store/guard.ts';
import { configuredKey, localSealKey, type SealKey } from './seal-key.ts';
import type { TrustMemory } from './trust-memory.ts';
import { storeAt } from './trust-store.ts';

const rootLifeMs = 3650 * 86_400_000;

export interface RootDeps extends SourceDeps {
  /** Where a key-encryption key may stand. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface Roots {
  readonly provider: RootProvider;
  /** What seals the keys that sign tokens: never in the store where they lie. */
  readonly sealKey: SealKey;
  readonly rotation: OwnRotation | ForeignRotation;
}

/** What tells whether proxies trust the roots that they are told. */
export interface ToldRoots extends Omit<RotationFleetDeps, 'clock'> {
  readonly leafMs: number;
  readonly intermediateMs: number;
}

/** Of a root that we keep. */
export interface OwnRotation {
  readonly by: 'us';
  readonly provider: KeptRoots;
  /** Shared by whoever shares the roots: where sealed ones lie, or a folder beside those in files. */
  readonly store: ClosableStore;
  readonly journal: RotationJournal;
}

/** Of a root that somebody else keeps. */
export interface ForeignRotation {
  readonly by: 'others';
  /** Who rotates it and how, for people: a clause without a full stop. */
  readonly how: string;
}

export interface RootParts {
  readonly trust: TrustConfig;
  /** The state folder. */
  readonly state: string;
  readonly told: ToldRoots;
  readonly memory: Pick<TrustMemory, 'guard'>;
}

export async function rootsOf(deps: RootDeps, parts: RootParts): Promise<Roots> {
  const { clock } = deps;
  const { trust, state } = parts;
  const { root } = trust;
  if (root.kind === 'issuer-files') return (await import('./trust-root-files.ts')).issuerFilesRoots(deps, parts, root);
  if (root.kind === 'vault') return (await import('./trust-root-vault.ts')).vaultRoots(deps, parts, root);
  if (root.kind === 'step-ca') return (await import('./trust-root-step-ca.ts')).stepCaRoots(deps, parts, root);
  const [{ createRotationJournal }, { rotationDuties }, store] = await Promise.all([
    import('../ca/rotation-journal.ts'),
    import('../ca/rotation.ts'),
    storeAt(
      deps,
      root.kind === 'files' ? { kind: 'files', path: join(rootFolder(root.path, state), 'rotation') } : root.store,
    ),
  ]);
  const anyKept = async (): Promise<boolean> =>
    root.kind === 'files' ? holdsRoots(rootFolder(root.path, state)) : (await store.list('ca/roots/')).size > 0;
  const journal = parts.memory.guard(createRotationJournal(store), anyKept);
  const bundle = async (): Promise<readonly string[] | undefined> => {
    const found = await journal.load();
    return found && rotationDuties(found.record).bundle;
  };
  const common = { trustDomain: trust.domain, lifeMs: rootLifeMs, bundle };
  if (root.kind === 'files') {
    const { createFileRoots } = await import('../ca/roots-files.ts');
    const folder = rootFolder(root.path, state);
    const provider = createFileRoots({ clock, uid: process.geteuid?.() }, { folder, ...common });
    return { provider, sealKey: localSealKey(folder), rotation: { by: 'us', provider, store, journal } };
  }
  const { createSealedRoots } = await import('../ca/roots-sealed.ts');
  const keyEncryptionKey = await configuredKey(deps.environment, root.key);
  const provider = createSealedRoots({ clock }, { store, keyEncryptionKey, ...common });
  return { provider, sealKey: keyEncryptionKey, rotation: { by: 'us', provider, store, journal } };
}

/** What cannot be read is told by who opens it. */
async function holdsRoots(folder: string): Promise<boolean> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) =>
    error.code === 'ENOENT' ? [] : undefined,
  );
  return names === undefined || names.some((name) => name.startsWith('root-') || name.startsWith('retired-'));
}
