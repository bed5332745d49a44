// The names a request may use for a service (Host or :authority), without ports.
// Invariant: the short ones belong to the default namespace; where two services of one World would share a name, as `Cart`
// and `cart` or `cart.prod` and `prod/cart` do, `byClaim` says whose it is.
import type { Mesh } from './mesh.ts';
import { defaultNamespace } from './names.ts';
import type { Service } from './service.ts';
import { compareText } from './sharing.ts';

/** Lower case, each once: the generated names, then the service's own hosts. */
export function requestNames(
  service: Pick<Service, 'name' | 'namespace' | 'hosts'>,
  mesh: Pick<Mesh, 'domain'>,
): readonly string[] {
  const { namespace, hosts } = service;
  const name = service.name.toLowerCase();
  const long = `${name}.${namespace.toLowerCase()}`;
  const short = namespace === defaultNamespace ? [name, `${name}.${mesh.domain}`, `${name}.service.consul`] : [];
  return [...new Set([...short, long, `${long}.${mesh.domain}`, ...hosts])];
}

const generated = new WeakMap<Service, { readonly domain: string; readonly names: readonly string[] }>();

/** The names without the written hosts, remembered with the service: a thousand of them cost one new one nothing. */
export function generatedNames(service: Service, { domain }: Pick<Mesh, 'domain'>): readonly string[] {
  const known = generated.get(service);
  if (known?.domain === domain) return known.names;
  const { name, namespace } = service;
  const names = requestNames({ name, namespace, hosts: [] }, { domain });
  generated.set(service, { domain, names });
  return names;
}

type Claimant = Pick<Service, 'id' | 'name' | 'namespace' | 'provenance'>;

/**
 * The services in the order in which they take names: those that someone wrote an object for before those that a registry
 * alone knows (whoever registers takes no name away), then by namespace and name.
 */
export function byClaim<T extends Claimant>(services: Iterable<T>): readonly T[] {
  return [...services].sort(
    (a, b) =>
      Number(a.provenance.length === 0) - Number(b.provenance.length === 0) ||
      compareText(a.namespace, b.namespace) ||
      compareText(a.name, b.name),
  );
}
