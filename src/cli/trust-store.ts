// Opens the store that the configuration names for what replicas of the control plane share.
// It must not know what lies in it.
import type { TrustStorePlace } from '../model/config-trust.ts';
import { defined } from '../model/defined.ts';
import type { SourceDeps } from '../sources/source-deps.ts';
import type { ClosableStore } from '../store/guard.ts';

export async function storeAt(deps: SourceDeps, place: TrustStorePlace): Promise<ClosableStore> {
  const { createStore } = await import('../store/store.ts');
  switch (place.kind) {
    case 'files':
      return createStore(deps, { kind: 'files', folder: place.path });
    case 'etcd':
      return createStore(deps, defined(place));
    case 'consul':
      return createStore(deps, defined(place));
  }
}
