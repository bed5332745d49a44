// The names a request may use for a service (Host or :authority), without ports.
// Invariant: two services of one World never share a generated name; the short ones belong to the default namespace.
import type { Mesh } from './mesh.ts';
import { defaultNamespace } from './names.ts';
import type { Service } from './service.ts';

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
