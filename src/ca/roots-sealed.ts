// The root in a store that others can read, sealed: certificate and key in one envelope under one key.
// It must not know which store it is. Invariant: nothing is put without a key-encryption key, and only where nothing is; so
// replicas that start together agree on one root, and none ever writes over another.
import { createPrivateKey } from 'node:crypto';
import type { Store } from '../model/store.ts';
import type { Clock } from '../util/clock.ts';
import { AppError } from '../util/errors.ts';
import type { RootProvider } from './contract.ts';
import { readElements, readOne, sequence, tags } from './der.ts';
import { type Place, seal, unseal } from './envelope.ts';
import { createKeptRoot, type KeptRoot, rootGeneration } from './kept-root.ts';
import { pkcs8 } from './x509.ts';

export interface SealedRootsOptions {
  readonly store: Store;
  /** Asked before every use of the root; 32 bytes. Rejects with CH1805 where it is missing. */
  readonly keyEncryptionKey: () => Promise<Uint8Array>;
  readonly trustDomain: string;
  /** Of a root that is made. */
  readonly lifeMs: number;
}

export function createSealedRoots(deps: { readonly clock: Clock }, options: SealedRootsOptions): RootProvider {
  const { store, keyEncryptionKey, trustDomain } = options;
  const path = `ca/roots/${rootGeneration}`;
  const place: Place = { path, trustDomain, generation: rootGeneration };
  const keeping = {
    kind: 'sealed',
    place: `the ${store.kind} store under "${path}"`,
    async load(): Promise<KeptRoot | undefined> {
      // First, so that a missing key is named even where there is no root yet.
      const kek = await keyEncryptionKey();
      const entry = await store.get(path);
      return entry && unpack(unseal(kek, place, entry.value), path);
    },
    async offer(root: KeptRoot): Promise<void> {
      const secret = sequence(pkcs8(root.key), root.certificate);
      try {
        await store.put(path, seal(await keyEncryptionKey(), place, secret), 'absent');
      } finally {
        secret.fill(0);
      }
    },
  };
  return createKeptRoot({ ...deps, keeping }, { trustDomain, lifeMs: options.lifeMs });
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
