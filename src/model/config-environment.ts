// What the environment says: one variable for every key and every option of a named registry or object store, and,
// where nobody named a registry, what the machine says of Consul and etcd. It must not read the environment itself.
// Invariant: a variable of ours that means nothing is a warning, never silent.
import { didYouMean } from '../util/near-miss.ts';
import { type ConfigKey, environmentName, optionKeys } from './config.ts';
import { assign, type Layers, nowhere, set, type Tree } from './config-tree.ts';
import { createProblem } from './problem.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Variables that are ours but no configuration key. */
const otherVariables = [
  'CHANCERY_CONFIG',
  'CHANCERY_SERVER',
  'CHANCERY_TOKEN',
  'CHANCERY_TOKEN_FILE',
  'CHANCERY_CA',
  'CHANCERY_CACHE',
  'CHANCERY_RESTARTED',
];

/** Origin of `objects` where the folder is merely there. */
export const surroundings = './objects exists';

export function applyEnvironment(layers: Layers, keys: readonly ConfigKey[], environment: Environment): void {
  const known = new Map(keys.map((key) => [environmentName(key.path), key]));
  const later: [string, string][] = [];
  for (const [variable, text] of Object.entries(environment)) {
    if (text === undefined || !variable.startsWith('CHANCERY_') || otherVariables.includes(variable)) continue;
    const key = known.get(variable);
    if (key === undefined) later.push([variable, text]);
    else set(layers, key, { text, origin: variable });
  }
  for (const [variable, text] of later) {
    if (applyListItem(layers, variable, text)) continue;
    const hint = `Remove it or correct its spelling.${didYouMean(variable, [...known.keys(), ...otherVariables])}`;
    layers.problems.push(
      createProblem('CH1603', nowhere, `environment variable "${variable}" is no key`, { severity: 'warning', hint }),
    );
  }
}

/** `CHANCERY_REGISTRIES_CONSUL_TOKEN_FILE` sets `tokenFile` of the registry named `consul`; likewise `CHANCERY_OBJECTS_...`. */
function applyListItem(layers: Layers, variable: string, text: string): boolean {
  for (const section of ['registries', 'objects'] as const) {
    const items = layers.tree[section];
    if (!Array.isArray(items)) continue;
    for (const [index, item] of items.entries()) {
      if (item === null || typeof item !== 'object') continue;
      const { name, kind } = item as { name?: unknown; kind?: unknown };
      const prefix = `${environmentName([section, String(name ?? kind)])}_`;
      if (!variable.startsWith(prefix)) continue;
      const option = optionKeys(section, String(kind)).find(
        (key) => environmentName([key.path[0] ?? '']) === `CHANCERY_${variable.slice(prefix.length)}`,
      );
      if (option === undefined) continue;
      set(layers, { ...option, path: [section, String(index), ...option.path] }, { text, origin: variable });
      return true;
    }
  }
  return false;
}

/** Where nobody named a registry or objects: what the machine's own environment says. */
export function fillFromSurroundings(layers: Layers, environment: Environment, objectsDirectory: boolean): void {
  if (layers.tree['registries'] === undefined) {
    const consul = environment['CONSUL_HTTP_ADDR'];
    const etcd = environment['ETCDCTL_ENDPOINTS'];
    const registries: Tree[] = [];
    if (consul) {
      const scheme = environment['CONSUL_HTTP_SSL'] === 'true' ? 'https' : 'http';
      const access = {
        address: consul.includes('://') ? consul : `${scheme}://${consul}`,
        token: environment['CONSUL_HTTP_TOKEN'] || undefined,
        tokenFile: environment['CONSUL_HTTP_TOKEN_FILE'] || undefined,
        caFile: environment['CONSUL_CACERT'] || undefined,
      };
      registries.push({
        kind: 'consul',
        ...Object.fromEntries(Object.entries(access).filter(([, value]) => value !== undefined)),
      });
    }
    if (etcd)
      registries.push({
        kind: 'etcd',
        endpoints: etcd.split(',').map((one) => (one.includes('://') ? one : `http://${one}`)),
      });
    const origin = [consul && 'CONSUL_HTTP_ADDR', etcd && 'ETCDCTL_ENDPOINTS'].filter(Boolean).join(', ');
    if (registries.length > 0) assign(layers, ['registries'], { value: registries, origin });
  }
  if (layers.tree['objects'] === undefined && objectsDirectory)
    assign(layers, ['objects'], { value: [{ kind: 'directory', path: './objects' }], origin: surroundings });
}
