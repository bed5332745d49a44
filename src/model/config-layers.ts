// Default, file, environment, flags: which value of a key holds, and where it came from. Later layers win key by key.
// It must not read the environment or files itself: everything is handed in.
// Invariant: every leaf of the effective configuration has exactly one origin.
import { type Config, type ConfigKey, configKeys, configSchema, flagName } from './config.ts';
import { applyEnvironment, type Environment, fillFromSurroundings } from './config-environment.ts';
import { type ConfigFile, parseConfigFile } from './config-file.ts';
import { issueProblems, meaningProblems } from './config-problems.ts';
import { type Layers, recordDefaults, recordOrigins, set, type Tree } from './config-tree.ts';
import { trustInEffect } from './config-trust.ts';
import type { Problem } from './problem.ts';

export interface ConfigInput {
  readonly file?: ConfigFile;
  readonly environment: Environment;
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
  fillFromSurroundings(layers, input.environment, input.objectsDirectory);
  const parsed = configSchema.safeParse(layers.tree);
  const config = parsed.data && effective(parsed.data);
  if (config !== undefined) layers.problems.push(...meaningProblems(config, layers, file));
  else layers.problems.push(...issueProblems(parsed.error?.issues ?? [], layers, file));
  const failed = config === undefined || layers.problems.some((problem) => problem.severity === 'error');
  if (config !== undefined) recordDefaults(config, [], layers.origins);
  return { ...(failed ? {} : { config }), origins: layers.origins, problems: layers.problems };
}

/** With trust, unless somebody wrote it off. */
function effective(config: Config): Config {
  const trust = trustInEffect(config.trust, config.xds);
  return trust === undefined ? config : { ...config, trust };
}

function applyFlags(layers: Layers, keys: readonly ConfigKey[], flags: ConfigInput['flags']): void {
  for (const key of keys) {
    const name = flagName(key.path);
    const text = flags[name];
    if (text !== undefined) set(layers, key, { text, origin: `--${name}` });
  }
}
