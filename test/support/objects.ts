// Object snapshots, registry snapshots and Worlds from YAML texts, for unit tests of the model.
import type { Instance } from '../../src/model/instance.ts';
import { nextWorld } from '../../src/model/next-world.ts';
import type { ObjectSnapshot, RegistryService, RegistrySnapshot } from '../../src/model/snapshot.ts';
import type { World } from '../../src/model/world.ts';

/** One store named `files` with a document for each path. */
export function objectSnapshot(texts: Readonly<Record<string, string>>, source = 'files'): ObjectSnapshot {
  const documents = new Map(Object.entries(texts).map(([path, text]) => [path, { path, text }]));
  return { source, revision: '1', complete: true, documents };
}

/** One registry of kind `memory`. Services are sorted by name. */
export function registrySnapshot(
  services: Readonly<Record<string, readonly Instance[]>>,
  overrides: Partial<RegistrySnapshot> = {},
): RegistrySnapshot {
  const table = new Map(
    Object.entries(services).map(([name, instances]): [string, RegistryService] => [name, { name, instances }]),
  );
  return {
    source: 'memory',
    kind: 'memory',
    revision: '1',
    complete: true,
    services: table,
    problems: [],
    ...overrides,
  };
}

/** The World of one YAML text and one registry. */
export function worldOf(text: string, services: Readonly<Record<string, readonly Instance[]>> = {}): World {
  return nextWorld(undefined, {
    registries: [registrySnapshot(services)],
    objects: [objectSnapshot({ 'objects.yaml': text })],
  });
}
