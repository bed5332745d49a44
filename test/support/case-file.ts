// A case as people write it: a first YAML document with the proxy's profile and the registry's instances, then objects.
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { instanceOfRecord, instanceRecordSchema } from '../../src/model/instance-record.ts';
import { nextWorld } from '../../src/model/next-world.ts';
import type { RegistryService } from '../../src/model/snapshot.ts';
import type { World } from '../../src/model/world.ts';
import type { ProxyProfile } from '../../src/translate/profile.ts';

export interface Case {
  readonly world: World;
  readonly profile: ProxyProfile;
  /** Names a client asks for where it is shown no list. */
  readonly asks: readonly string[];
}

interface Header {
  readonly profile: ProxyProfile;
  readonly asks?: readonly string[];
  readonly instances?: Readonly<Record<string, readonly unknown[]>>;
  /** Proxies are issued certificates; default false. */
  readonly certificates?: boolean;
}

/** Instances of a registry, written as in instance lists. */
export function registryServices(
  instances: Readonly<Record<string, readonly unknown[]>>,
): ReadonlyMap<string, RegistryService> {
  return new Map(
    Object.entries(instances).map(([name, records]) => [
      name,
      {
        name,
        instances: records
          .map((record) => instanceOfRecord(instanceRecordSchema.parse(record), `registry/${name}`))
          .sort((a, b) => (a.key < b.key ? -1 : 1)),
      },
    ]),
  );
}

/** `text`: header, `---`, objects. Positions in Problems are those of the whole text. */
export function worldOf(text: string, path = 'in.yaml'): Case {
  const at = text.indexOf('\n---\n');
  const headerText = at === -1 ? text : text.slice(0, at + 1);
  const header = parse(headerText) as Header;
  const objects = headerText.replace(/[^\n]/g, '') + (at === -1 ? '' : text.slice(at + 1));
  const world = nextWorld(undefined, {
    certificates: header.certificates ?? false,
    registries: [
      {
        source: 'registry',
        kind: 'memory',
        revision: '1',
        complete: true,
        services: registryServices(header.instances ?? {}),
        problems: [],
      },
    ],
    objects: [
      { source: 'objects', revision: '1', complete: true, documents: new Map([[path, { path, text: objects }]]) },
    ],
  });
  return { world, profile: header.profile, asks: header.asks ?? [] };
}

export function readCase(file: string | URL): Case {
  return worldOf(readFileSync(file, 'utf8'));
}
