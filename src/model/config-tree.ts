// The configuration while its layers are laid over each other: the tree so far, and where each leaf came from.
// It knows keys and values, not layers. Invariant: what is assigned replaces all that lower layers said below its path.
import { parse } from 'yaml';
import type { ConfigKey } from './config.ts';
import type { ConfigTree } from './config-file.ts';
import { createProblem, type Problem } from './problem.ts';
import type { Provenance } from './provenance.ts';

export type Tree = Record<string, unknown>;

export interface Layers {
  readonly tree: Tree;
  /** Dotted path of a leaf -> `chancery.yaml:3:3`, a variable, a flag. */
  readonly origins: Map<string, string>;
  readonly problems: Problem[];
}

/** For mistakes in variables and flags, which have no position. */
export const nowhere: Provenance = { source: 'config', file: '', line: 0, column: 0, object: '' };

export function recordOrigins(
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

export function recordDefaults(value: unknown, path: readonly string[], origins: Map<string, string>): void {
  if (value !== null && typeof value === 'object' && Object.keys(value).length > 0) {
    for (const [key, child] of Object.entries(value)) recordDefaults(child, [...path, key], origins);
    return;
  }
  const key = path.join('.');
  if (!origins.has(key)) origins.set(key, 'default');
}

/** Replaces what lower layers said at `path`. */
export function assign(layers: Layers, path: readonly string[], setting: { value: unknown; origin: string }): void {
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

/** Assigns what was typed in a variable or flag; what does not fit becomes a problem. */
export function set(layers: Layers, key: ConfigKey, typed: { text: string | boolean; origin: string }): void {
  const value = readTyped(key.type, typed.text);
  if (value !== undefined) assign(layers, key.path, { value, origin: typed.origin });
  else {
    const wanted = key.type === 'list' ? 'a list such as [{kind: consul}]' : `a ${key.type}`;
    layers.problems.push(
      createProblem('CH1604', nowhere, `${typed.origin} must be ${wanted}, not "${String(typed.text)}"`),
    );
  }
}
