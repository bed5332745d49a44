// Default, file, environment, flags: which value of a key holds, and where it came from. Later layers win key by key.
// It must not read the environment or files itself: everything is handed in.
// Invariant: every leaf of the effective configuration has exactly one origin.
import { parse } from 'yaml';
import type { z } from 'zod';
import { didYouMean } from '../util/near-miss.ts';
import {
  type Config,
  type ConfigKey,
  configKeys,
  configSchema,
  environmentName,
  flagName,
  isLoopback,
  objectsName,
  objectsSchema,
  registryName,
  registrySchema,
} from './config.ts';
import { type ConfigFile, type ConfigTree, parseConfigFile } from './config-file.ts';
import { createProblem, type Problem } from './problem.ts';
import type { Provenance } from './provenance.ts';

export interface ConfigInput {
  readonly file?: ConfigFile;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Values by flag name (`xds-port`), as typed. */
  readonly flags: Readonly<Record<string, string | boolean | undefined>>;
  /** Whether `./objects` is a directory. */
  readonly objectsDirectory: boolean;
}

export interface ResolvedConfig {
  /** Undefined when a problem of severity error stands in its way. */
  readonly config?: Config;
  /** `xds.port` -> `chancery.yaml:3:3`, `CHANCERY_XDS_PORT`, `--xds-port` or `default`. */
  readonly origins: ReadonlyMap<string, string>;
  readonly problems: readonly Problem[];
}

/** Variables that are ours but no configuration key. */
const otherVariables = [
  'CHANCERY_CONFIG',
  'CHANCERY_SERVER',
  'CHANCERY_TOKEN',
  'CHANCERY_TOKEN_FILE',
  'CHANCERY_CACHE',
  'CHANCERY_RESTARTED',
];

const surroundings = './objects exists';

type Tree = Record<string, unknown>;

interface Layers {
  readonly tree: Tree;
  readonly origins: Map<string, string>;
  readonly problems: Problem[];
}

const nowhere: Provenance = { source: 'config', file: '', line: 0, column: 0, object: '' };

export function resolveConfig(input: ConfigInput): ResolvedConfig {
  const file = input.file === undefined ? undefined : parseConfigFile(input.file);
  const layers: Layers = {
    tree: structuredClone(file?.root ?? {}) as Tree,
    origins: new Map(),
    problems: [...(file?.problems ?? [])],
  };
  if (file !== undefined) recordOrigins(file.root, [], { layers, file });
  const keys = configKeys();
  applyEnvironment(layers, keys, input.environment);
  applyFlags(layers, keys, input.flags);
  fillFromSurroundings(layers, input);
  const parsed = configSchema.safeParse(layers.tree);
  if (!parsed.success) layers.problems.push(...issueProblems(parsed.error.issues, layers, file));
  else layers.problems.push(...meaningProblems(parsed.data, layers, file));
  const failed = !parsed.success || layers.problems.some((problem) => problem.severity === 'error');
  if (parsed.success) recordDefaults(parsed.data, [], layers.origins);
  return { ...(failed ? {} : { config: parsed.data }), origins: layers.origins, problems: layers.problems };
}

function recordOrigins(
  value: unknown,
  path: readonly PropertyKey[],
  context: { layers: Layers; file: ConfigTree },
): void {
  if (value !== null && typeof value === 'object' && Object.keys(value).length > 0) {
    for (const [key, child] of Object.entries(value))
      recordOrigins(child, [...path, Array.isArray(value) ? Number(key) : key], context);
    return;
  }
  const { file, line, column } = context.file.at(path);
  context.layers.origins.set(path.join('.'), `${file}:${line}:${column}`);
}

function recordDefaults(value: unknown, path: readonly string[], origins: Map<string, string>): void {
  if (value !== null && typeof value === 'object' && Object.keys(value).length > 0) {
    for (const [key, child] of Object.entries(value)) recordDefaults(child, [...path, key], origins);
    return;
  }
  const key = path.join('.');
  if (!origins.has(key)) origins.set(key, 'default');
}

/** Replaces what lower layers said at `path`. */
function assign(layers: Layers, path: readonly string[], setting: { value: unknown; origin: string }): void {
  let node = layers.tree;
  for (const step of path.slice(0, -1)) {
    const child = node[step];
    if (child === null || typeof child !== 'object') node[step] = {};
    node = node[step] as Tree;
  }
  node[path.at(-1) ?? ''] = setting.value;
  const prefix = path.join('.');
  for (const key of layers.origins.keys())
    if (key === prefix || key.startsWith(`${prefix}.`)) layers.origins.delete(key);
  const leaves = (value: unknown, at: string): void => {
    if (value !== null && typeof value === 'object' && Object.keys(value).length > 0)
      for (const [key, child] of Object.entries(value)) leaves(child, `${at}.${key}`);
    else layers.origins.set(at, setting.origin);
  };
  leaves(setting.value, prefix);
}

/** A value as typed in a flag or variable; undefined when it does not fit the key's type. */
function readTyped(type: ConfigKey['type'], typed: string | boolean): unknown {
  if (typeof typed === 'boolean') return typed;
  if (type === 'string') return typed;
  if (type === 'boolean')
    return /^(true|1|yes|on)$/i.test(typed) ? true : /^(false|0|no|off|)$/i.test(typed) ? false : undefined;
  if (type === 'number') return typed.trim() !== '' && Number.isFinite(Number(typed)) ? Number(typed) : undefined;
  if (!/^\s*\[/.test(typed))
    return typed
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '');
  try {
    return parse(typed);
  } catch {
    return undefined;
  }
}

function set(layers: Layers, key: ConfigKey, typed: { text: string | boolean; origin: string }): void {
  const value = readTyped(key.type, typed.text);
  if (value !== undefined) assign(layers, key.path, { value, origin: typed.origin });
  else {
    const wanted = key.type === 'list' ? 'a list such as [{kind: consul}]' : `a ${key.type}`;
    layers.problems.push(
      createProblem('CH1604', nowhere, `${typed.origin} must be ${wanted}, not "${String(typed.text)}"`),
    );
  }
}

function applyEnvironment(layers: Layers, keys: readonly ConfigKey[], environment: ConfigInput['environment']): void {
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

function optionKeys(section: 'registries' | 'objects', kind: string): readonly ConfigKey[] {
  const options = (section === 'registries' ? registrySchema : objectsSchema).options;
  const option = options.find((candidate) => candidate.shape.kind.value === kind);
  return Object.entries(option?.shape ?? {}).flatMap(([key, field]) => {
    const probe = (value: unknown): boolean => (field as z.ZodType).safeParse(value).success;
    if (key === 'kind') return [];
    const type = probe([]) || probe(['x']) ? 'list' : probe(true) ? 'boolean' : probe(1) ? 'number' : 'string';
    return [{ path: [key], type, description: '' } as const];
  });
}

function applyFlags(layers: Layers, keys: readonly ConfigKey[], flags: ConfigInput['flags']): void {
  for (const key of keys) {
    const name = flagName(key.path);
    const text = flags[name];
    if (text !== undefined) set(layers, key, { text, origin: `--${name}` });
  }
}

/** Where nobody named a registry or objects: what the machine's own environment says. */
function fillFromSurroundings(layers: Layers, { environment, objectsDirectory }: ConfigInput): void {
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

function issueProblems(issues: readonly z.core.$ZodIssue[], layers: Layers, file: ConfigTree | undefined): Problem[] {
  return issues.flatMap((issue) => {
    const where = (path: readonly PropertyKey[]): Provenance => {
      const origin = layers.origins.get(path.join('.'));
      return file !== undefined && (origin === undefined || origin.includes(':')) ? file.at(path) : nowhere;
    };
    const dotted = issue.path.join('.');
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => {
        const path = [...issue.path, key];
        const hint = `Remove it or correct its spelling.${didYouMean(key, knownKeys(issue.path, layers.tree))}`;
        return createProblem('CH1603', where(path), `key "${path.join('.')}" is not known`, { path: dotted, hint });
      });
    const origin = layers.origins.get(dotted);
    const from = origin === undefined || origin.includes(':') ? '' : ` (from ${origin})`;
    return [createProblem('CH1604', where(issue.path), `"${dotted}": ${issue.message}${from}`, { path: dotted })];
  });
}

/** Keys allowed in the mapping at `path`, for "did you mean". */
function knownKeys(path: readonly PropertyKey[], tree: Tree): readonly string[] {
  const [section, index] = path;
  if (section === undefined) return Object.keys(configSchema.shape);
  if (section === 'registries' || section === 'objects') {
    const item = (tree[section] as readonly Tree[] | undefined)?.[Number(index)];
    return ['kind', ...optionKeys(section, String(item?.['kind'])).flatMap((key) => key.path)];
  }
  return configKeys().flatMap((key) => (key.path[0] === section && key.path[1] !== undefined ? [key.path[1]] : []));
}

/** What the shape alone cannot say. */
function meaningProblems(config: Config, layers: Layers, file: ConfigTree | undefined): Problem[] {
  const problems: Problem[] = [];
  const at = (path: readonly PropertyKey[]): Provenance =>
    file !== undefined && layers.origins.get(path.join('.'))?.includes(':') ? file.at(path) : nowhere;
  // Objects that someone configured may bring endpoints of their own; a folder that happens to be there is no intent.
  if (
    config.registries === undefined &&
    (config.objects === undefined || layers.origins.get('objects.0.kind') === surroundings)
  )
    problems.push(createProblem('CH1605', nowhere, 'no registry is configured', { hint: missingHint }));
  for (const section of ['xds', 'http'] as const) {
    const { address, insecure } = config[section];
    if (!insecure && !isLoopback(address))
      problems.push(
        createProblem(
          'CH1613',
          at([section, 'address']),
          `${section}.address "${address}" is not loopback and TLS is not available yet`,
          {
            path: `${section}.address`,
            hint: `Use 127.0.0.1, or accept plaintext knowingly with ${environmentName([section, 'insecure'])}=true, --${flagName([section, 'insecure'])} or --insecure.`,
          },
        ),
      );
  }
  const names = new Map<string, string>();
  const check = (name: string, path: string): void => {
    const other = names.get(name);
    if (other !== undefined)
      problems.push(
        createProblem('CH1604', at(path.split('.')), `"${path}" and "${other}" are both named "${name}"`, {
          path,
          hint: 'Give each its own `name`.',
        }),
      );
    names.set(name, path);
  };
  for (const [index, registry] of (config.registries ?? []).entries())
    check(registryName(registry), `registries.${index}`);
  for (const [index, objects] of (config.objects ?? []).entries()) check(objectsName(objects), `objects.${index}`);
  return problems;
}

const missingHint = `Set CONSUL_HTTP_ADDR or ETCDCTL_ENDPOINTS, or write chancery.yaml, for example:
  registries:
    - {kind: consul, address: "http://127.0.0.1:8500"}
  objects:
    - {kind: directory, path: ./objects}
`;
