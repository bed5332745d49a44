// Which files hold secrets of the control plane, by the whole configuration: none of them is ever read for anybody else.
// Pure. Invariant: told by the name of their key, not one by one, so that a section that comes later has its own covered.
import type { Config } from './config.ts';
import { joinStorePlace, rootSecretFiles, type TrustConfig } from './config-trust.ts';

/** Keys of chancery.yaml whose value is the path of a secret. */
const secretKey = /^(?:key|file|(?:private)?keyfile|tokenfile|passwordfile|jwkfile)$/i;

/** Files, and folders with all that lies below them. */
export function secretFiles(
  config: Pick<Config, 'state' | 'xds' | 'http' | 'registries' | 'objects'>,
  trust: TrustConfig | undefined,
): readonly string[] {
  const { state } = config;
  if (trust === undefined) return [...new Set([state, ...named(config)])];
  const store = joinStorePlace(trust, state);
  const folders = [state, ...(store.kind === 'files' ? [store.path] : [])];
  return [...new Set([...folders, ...rootSecretFiles(trust, state), ...named(config), ...named(trust)])];
}

function named(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.flatMap(named);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) =>
    typeof member === 'string' ? (secretKey.test(key) ? [member] : []) : named(member),
  );
}
