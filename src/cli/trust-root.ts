// Who keeps the root, from `trust.root`: files, or sealed in a store; and what replicas share to rotate it.
// It must not know leaves or streams. Invariant: only what `trust.root` names is loaded.
import { join } from 'node:path';
import type { RootProvider } from '../ca/contract.ts';
import type { KeptRoots } from '../ca/kept-root.ts';
import type { RotationJournal } from '../ca/rotation-driver.ts';
import { rootFolder, type TrustConfig } from '../model/config-trust.ts';
import type { SourceDeps } from '../sources/source-deps.ts';
import type { ClosableStore } from '../store/guard.ts';
import { keyReaders, localSealKey } from './seal-key.ts';
import { storeAt } from './trust-store.ts';

const rootLifeMs = 3650 * 86_400_000;

export interface RootDeps extends SourceDeps {
  /** Where a key-encryption key may stand. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface Roots {
  readonly provider: RootProvider;
  /** What seals the keys that sign tokens: never in the store where they lie. */
  readonly sealKey: () => Promise<Uint8Array>;
  readonly rotation: OwnRotation | ForeignRotation;
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

export async function rootsOf(
  deps: RootDeps,
  { trust, state }: { readonly trust: TrustConfig; readonly state: string },
): Promise<Roots> {
  const { clock } = deps;
  const { root } = trust;
  const [{ createRotationJournal }, { rotationDuties }, store] = await Promise.all([
    import('../ca/rotation-journal.ts'),
    import('../ca/rotation.ts'),
    storeAt(
      deps,
      root.kind === 'files' ? { kind: 'files', path: join(rootFolder(root.path, state), 'rotation') } : root.store,
    ),
  ]);
  const journal = createRotationJournal(store);
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
  const [{ createSealedRoots }, { readKeyEncryptionKey }] = await Promise.all([
    import('../ca/roots-sealed.ts'),
    import('../ca/key-encryption-key.ts'),
  ]);
  const { file, env, command } = root.key;
  const source =
    file !== undefined
      ? ({ kind: 'file', path: file } as const)
      : env !== undefined
        ? ({ kind: 'environment', name: env } as const)
        : ({ kind: 'command', command: command ?? [] } as const);
  const readers = keyReaders(deps.environment);
  const keyEncryptionKey = (): Promise<Uint8Array> => readKeyEncryptionKey(readers, source);
  const provider = createSealedRoots({ clock }, { store, keyEncryptionKey, ...common });
  return { provider, sealKey: keyEncryptionKey, rotation: { by: 'us', provider, store, journal } };
}
