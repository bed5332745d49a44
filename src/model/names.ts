// How services are identified. A ServiceId is also the base of the Envoy cluster and endpoint names made from it.
// Envoy's stats take the cluster name up to the first dot, so an id never holds one: dots become dashes on the way to stats only.

export const defaultNamespace = 'default';

/** `cart` in the default namespace, `prod|cart` in another. Unique in a World. */
export type ServiceId = string & { readonly serviceId: unique symbol };

export function serviceId(namespace: string, name: string): ServiceId {
  return (namespace === defaultNamespace ? name : `${namespace}|${name}`) as ServiceId;
}
