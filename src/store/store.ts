// The store that the configuration names. Only its own kind's client is loaded, at the first use.
// It must not know what is kept.
import type { Clock } from '../util/clock.ts';
import type { ConsulAccess } from '../util/consul/access.ts';
import type { EtcdAccess } from '../util/etcd/access.ts';
import { withoutCredentials } from '../util/public-url.ts';
import type { Driver } from './driver.ts';
import { type ClosableStore, createGuardedStore } from './guard.ts';

/** Members beside `kind` are as in `registries[]` and `objects[]` of chancery.yaml. */
export type StoreConfig =
  | { readonly kind: 'memory' }
  | {
      readonly kind: 'files';
      /** Made with mode 0700 where it is not there. */
      readonly folder: string;
    }
  | ({
      readonly kind: 'etcd';
      /** What every key begins with; default `/chancery/trust/`, as in chancery.yaml. */
      readonly prefix?: string;
    } & EtcdAccess)
  | ({
      readonly kind: 'consul';
      /** What every key begins with; default `chancery/trust/`, as in chancery.yaml. */
      readonly prefix?: string;
    } & ConsulAccess);

export interface StoreDeps {
  readonly clock: Clock;
  /** Longest time of one call; default 5 s. */
  readonly deadlineMs?: number;
}

/** Inert: nothing is opened before the first call. */
export function createStore({ clock, deadlineMs = 5000 }: StoreDeps, config: StoreConfig): ClosableStore {
  const { kind } = config;
  const guarded = (place: string, open: () => Promise<Driver>): ClosableStore =>
    createGuardedStore(clock, { kind, place, deadlineMs, open });
  switch (config.kind) {
    case 'memory':
      return guarded('in this process', async () => (await import('./memory.ts')).createMemoryDriver());
    case 'files':
      return guarded(config.folder, async () => (await import('./files.ts')).createFilesDriver(clock, config.folder));
    case 'etcd': {
      const options = { ...config, prefix: folder(config.prefix ?? '/chancery/trust/') };
      const place = `${withoutCredentials(config.endpoints.join(' ')).replaceAll(' ', ', ')}, keys ${options.prefix}`;
      return guarded(place, async () => (await import('./etcd.ts')).createEtcdDriver(clock, options));
    }
    case 'consul': {
      const options = { ...config, prefix: folder(config.prefix ?? 'chancery/trust/') };
      const place = `${withoutCredentials(config.address)}, keys ${options.prefix}`;
      return guarded(place, async () => (await import('./consul.ts')).createConsulDriver(clock, options));
    }
  }
}

/** So that a prefix never takes in its longer-named neighbours. */
const folder = (prefix: string): string => (prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`);
