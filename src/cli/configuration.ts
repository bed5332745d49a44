// The configuration of this run: options of the command line, the file they name, the environment.
// It reads through Io only. Invariant: every key of the schema is a flag here, none by hand.
import type { Command } from 'commander';
import { Option } from 'commander';
import { type ConfigKey, configKeys, flagName } from '../model/config.ts';
import { type ResolvedConfig, resolveConfig } from '../model/config-layers.ts';
import { AppError } from '../util/errors.ts';
import type { Io } from './io.ts';

/** Adds `-c` and one flag for every key. */
export function withConfiguration(target: Command): Command {
  target
    .option('-c, --config <file>', 'configuration file (CHANCERY_CONFIG; default chancery.yaml if there is one)')
    .option(
      '--insecure',
      'no trust: xDS in plaintext, nobody is asked who they are; HTTP in plaintext beyond loopback too',
    )
    .option('--workers <number>', 'short for --xds-workers');
  for (const key of configKeys()) {
    const argument = key.type === 'boolean' ? '' : key.type === 'list' ? ' <list>' : ` <${key.type}>`;
    const option = new Option(`--${flagName(key.path)}${argument}`, descriptionOf(key));
    target.addOption(key.choices === undefined ? option : option.choices([...key.choices]));
  }
  return target;
}

/** With the default in it: commander's own would count as typed and hide what the file says. */
function descriptionOf({ description, type, fallback }: ConfigKey): string {
  if (fallback === undefined || type === 'boolean' || type === 'list') return description;
  return `${description} (default: ${String(fallback)})`.trimStart();
}

/** commander's `xdsPort` for `xds-port`. */
function camel(name: string): string {
  return name.replace(/-(\w)/g, (_match, letter: string) => letter.toUpperCase());
}

/** Whether this machine says, by chancery.yaml or a variable, that the control plane has no trust. */
export function saysInsecure(io: Io): boolean {
  const path = io.environment['CHANCERY_CONFIG'] ?? 'chancery.yaml';
  const text = io.readText(path);
  const { config } = resolveConfig({
    ...(text === undefined ? {} : { file: { path, text } }),
    environment: io.environment,
    // Of a registry nothing is asked here, and of HTTP it does not matter.
    flags: { registries: '[]', 'http-insecure': true },
    objectsDirectory: false,
  });
  return config?.xds.insecure === true;
}

export function readConfiguration(io: Io, options: Readonly<Record<string, unknown>>): ResolvedConfig {
  const named = (options['config'] as string | undefined) ?? io.environment['CHANCERY_CONFIG'];
  const path = named ?? 'chancery.yaml';
  const text = io.readText(path);
  if (named !== undefined && text === undefined)
    throw new AppError('CH1602', `configuration file "${path}" cannot be read`);
  const flags: Record<string, string | boolean | undefined> = {};
  for (const key of configKeys())
    flags[flagName(key.path)] = options[camel(flagName(key.path))] as string | boolean | undefined;
  if (options['insecure'] === true) {
    flags['xds-insecure'] ??= true;
    flags['http-insecure'] ??= true;
  }
  flags['xds-workers'] ??= options['workers'] as string | undefined;
  return resolveConfig({
    ...(text === undefined ? {} : { file: { path, text } }),
    environment: io.environment,
    flags,
    objectsDirectory: io.isDirectory('objects'),
  });
}
