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

/**
 * How the sidecar of a service takes its callers. Where the Mesh is `off` it takes mutual TLS too, though nobody speaks it yet:
 * `permissive` then changes callers alone, and none of them meets a sidecar that is not ready for it. Not of TCP, where a
 * server may speak first and would wait for the look at the first bytes; and not where the service itself says `none`.
 */
export function inboundMtls(
  service: Pick<Service, 'tls' | 'protocol'>,
  mesh: Pick<Mesh, 'mtls' | 'certificates'>,
): Mtls {
  const mtls = effectiveMtls(service, mesh);
  const ready = mesh.certificates === true && service.tls !== 'none' && service.protocol !== 'tcp';
  return mtls === 'off' && ready ? 'permissive' : mtls;
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
