// Roots in a store that others can read, sealed: certificate and key of each in one envelope under one key. Of a root that
// is retired the certificate alone stays, in clear, under another key.
// It must not know which store it is. Invariant: nothing is put without a key-encryption key, and only where nothing is; so
// replicas that start together agree on one root, and none ever writes over another.
import { createPrivateKey } from 'node:crypto';
import type { Store } from '../model/store.ts';
import type { Clock } from '../util/clock.ts';
import { AppError } from '../util/errors.ts';
import { readElements, readOne, sequence, tags } from './der.ts';
import { type Place, seal, unseal } from './envelope.ts';
import {
  createKeptRoots,
  type KeptRoot,
  type KeptRoots,
  type KeptRootsOptions,
  type RootKeeping,
} from './kept-root.ts';
import { pkcs8 } from './x509.ts';

export interface SealedRootsOptions extends KeptRootsOptions {
  readonly store: Store;
  /** Asked before every use of a root; 32 bytes. Rejects with CH1805 where it is missing. */
  readonly keyEncryptionKey: () => Promise<Uint8Array>;
}

/** The last part of a key. */
const slotForm = /^[1-9]\d{0,8}$/;
const folders = { kept: 'ca/roots/', retired: 'ca/retired/' } as const;

export function createSealedRoots(deps: { readonly clock: Clock }, options: SealedRootsOptions): KeptRoots {
  const { store, keyEncryptionKey, trustDomain } = options;
  const pathOf = (slot: number): string => `${folders.kept}${slot}`;
  const asideOf = (slot: number): string => `${folders.retired}${slot}`;
  const sealPlace = (slot: number): Place => ({ path: pathOf(slot), trustDomain, generation: slot });

  async function load(slot: number): Promise<KeptRoot | undefined> {
    // First, so that a missing key is named even where there is no root yet.
    const kek = await keyEncryptionKey();
    const entry = await store.get(pathOf(slot));
    return entry && unpack(unseal(kek, sealPlace(slot), entry.value), pathOf(slot));
  }

  const keeping: RootKeeping = {
    kind: 'sealed',
    placeOf: (slot) => `the ${store.kind} store under "${pathOf(slot)}"`,
    async slots() {
      const lists = [await store.list(folders.kept), await store.list(folders.retired)];
      const names = lists.flatMap((list) => [...list.keys()].map((key) => key.slice(key.lastIndexOf('/') + 1)));
      const numbers = names.filter((name) => slotForm.test(name)).map(Number);
      return [...new Set(numbers)].sort((one, other) => one - other);
    },
    load,
    async offer(slot, root) {
      const secret = sequence(pkcs8(root.key), root.certificate);
      try {
        await store.put(pathOf(slot), seal(await keyEncryptionKey(), sealPlace(slot), secret), 'absent');
      } finally {
        secret.fill(0);
      }
    },
    retired: async (slot) => (await store.get(asideOf(slot))) !== undefined,
    async certificate(slot) {
      const aside = await store.get(asideOf(slot));
      return aside === undefined ? (await load(slot))?.certificate : Uint8Array.from(aside.value);
    },
    async retire(slot) {
      const root = await load(slot);
      if (root === undefined) return;
      await store.put(asideOf(slot), root.certificate, 'absent');
      const entry = await store.get(pathOf(slot));
      if (entry !== undefined) await store.delete(pathOf(slot), entry);
    },
  };
  return createKeptRoots({ ...deps, keeping }, options);
}

function unpack(secret: Buffer, path: string): KeptRoot {
  try {
    const [key, certificate] = readElements(readOne(secret, tags.sequence).content);
    if (key === undefined || certificate === undefined) throw new RangeError('a part is missing');
    return {
      key: createPrivateKey({ key: Buffer.from(key.whole), format: 'der', type: 'pkcs8' }),
      certificate: Uint8Array.from(certificate.whole),
    };
  } catch {
    // The cause might quote the key.
    throw new AppError('CH1803', `what is sealed under "${path}" is not a key and a certificate`);
  } finally {
    secret.fill(0);
  }
}
