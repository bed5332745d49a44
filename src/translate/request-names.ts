// The names a request may use for a service (DESIGN: names a request may use). Ports are not among them: the generated
// route configurations ignore the port of the Host header when they pick a virtual host.
// Invariant: lower case, no doubles, the shortest first.
import { defaultNamespace } from '../model/names.ts';
import type { Service } from '../model/service.ts';

/** Short names belong to the default namespace alone, so that a service elsewhere never takes them over. */
export function requestNames(service: Service, domain: string): readonly string[] {
  const { name, namespace } = service;
  const short = namespace === defaultNamespace ? [name, `${name}.${domain}`, `${name}.service.consul`] : [];
  const long = [`${name}.${namespace}`, `${name}.${namespace}.${domain}`];
  return [...new Set([...short, ...long, ...service.hosts].map((host) => host.toLowerCase()))];
}
