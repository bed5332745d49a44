// Two sidecars as the translator makes them, a caller's and its callee's, without their secrets.
import { nextWorld } from '../../../src/model/next-world.ts';
import type { Resource } from '../../../src/resources/resource.ts';
import type { ProxyProfile } from '../../../src/translate/profile.ts';
import { createTranslator } from '../../../src/translate/translate.ts';
import { registryServices } from '../../support/case-file.ts';
import { objectSnapshot, registrySnapshot } from '../../support/objects.ts';
import { testProtos } from '../../support/protos.ts';

/** Ports of 127.0.0.1. */
export interface Places {
  readonly outbound: number;
  readonly inbound: number;
  readonly app: number;
}

export interface SidecarPair {
  /** Of `web`. */
  readonly caller: Resource[];
  /** Of `api`. */
  readonly callee: Resource[];
}

/** `objects`: files of objects, by name. */
export function sidecarPair(
  { outbound, inbound, app }: Places,
  objects: Readonly<Record<string, string>> = {},
  certificates = true,
): SidecarPair {
  const api = [{ address: '127.0.0.1', port: app, proxyPort: inbound, localPort: app }];
  const world = nextWorld(undefined, {
    certificates,
    registries: [{ ...registrySnapshot({}), services: registryServices({ api }) }],
    objects: [objectSnapshot(objects)],
  });
  const translator = createTranslator({ protos: testProtos() });
  const own = { role: 'sidecar', upstreams: [] } as const;
  const of = (profile: ProxyProfile): Resource[] => [
    ...[...translator.view(world, profile).resources.values()].flatMap((map) => [...map.values()]),
    ...translator.endpoints(world).values(),
  ];
  return {
    caller: of({ ...own, service: 'web' as never, inbound: [], outbound: { address: '127.0.0.1', port: outbound } }),
    callee: of({
      ...own,
      service: 'api' as never,
      inbound: [{ address: '127.0.0.1', port: inbound, appAddress: '127.0.0.1', appPort: app }],
    }),
  };
}
