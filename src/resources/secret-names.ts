// Names of the secrets that proxies ask for. Those of the mesh are the same for all, so that clusters and listeners that
// name them are the same bytes for all; what each gets under them is its own.
// Invariant: these texts never change. Envoy keeps a secret by its name and the bytes of its source.

/** The proxy's own certificate and key. */
export const identitySecret = 'mesh:identity';
/** The authorities of the mesh. */
export const rootsSecret = 'mesh:roots';

/** What an edge shows to its clients; sent to the gateways whose listeners name the Certificate, and to nobody else. */
export function edgeSecret({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `edge/${namespace}/${name}`;
}
