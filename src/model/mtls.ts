// How the callers of a service reach it: in mutual TLS, in plaintext, or as each instance can. It must not know Envoy.
// Invariant: pure; without certificates nobody is promised TLS, and every instance that would speak plaintext can be named.
import type { Instance } from './instance.ts';
import type { Mesh } from './mesh.ts';
import type { ServiceId } from './names.ts';
import type { Service } from './service.ts';
import type { World } from './world.ts';

export type Mtls = Mesh['mtls'];

/** What holds for one service: its own word, else that of the Mesh; `off` where no certificates are issued. */
export function effectiveMtls({ tls }: Pick<Service, 'tls'>, mesh: Pick<Mesh, 'mtls' | 'certificates'>): Mtls {
  if (mesh.certificates !== true || tls === 'none') return 'off';
  return tls === 'mesh' ? mesh.mtls : tls;
}

/** Whether anything of the mesh would be in mutual TLS if certificates were issued: the Mesh, or a Service of its own. */
export function speaksMtls({ mesh, services }: Pick<World, 'mesh' | 'services'>): boolean {
  if (mesh.mtls !== 'off') return true;
  for (const { tls } of services.values()) if (tls === 'strict' || tls === 'permissive') return true;
  return false;
}

export interface PlaintextService {
  readonly service: ServiceId;
  /** As it holds now. */
  readonly mtls: Mtls;
  /** All of its instances. */
  readonly instances: number;
  /** Those without a sidecar, in the order of their keys: reached in plaintext, or not at all under `strict`. */
  readonly plaintext: readonly Pick<Instance, 'id' | 'address' | 'port'>[];
  /** They get no requests under `strict`: true unless the service says `tls: none`. */
  readonly withheldInStrict: boolean;
}

/**
 * Services with instances that have no sidecar, sorted by id. `strict` is safe for the mesh when none of them has
 * `withheldInStrict`. A service with `tls: none` is listed with every instance: it is dialled in plaintext whatever it has.
 */
export function plaintextReport(world: Pick<World, 'mesh' | 'services' | 'endpoints'>): readonly PlaintextService[] {
  return [...world.services.values()].flatMap((service) => {
    const all = world.endpoints.get(service.id) ?? [];
    const exempt = service.tls === 'none';
    const plain = exempt ? all : all.filter(({ proxy }) => proxy === undefined);
    if (plain.length === 0) return [];
    return [
      {
        service: service.id,
        mtls: effectiveMtls(service, world.mesh),
        instances: all.length,
        plaintext: plain.map(({ id, address, port }) => ({ id, address, port })),
        withheldInStrict: !exempt,
      },
    ];
  });
}
