// Names of the secrets that every proxy of a mesh asks for. They are the same for all, so that clusters and listeners that
// name them are the same bytes for all; what each gets under them is its own.
// Invariant: these texts never change. Envoy keeps a secret by its name and the bytes of its source.

/** The proxy's own certificate and key. */
export const identitySecret = 'mesh:identity';
/** The authorities of the mesh. */
export const rootsSecret = 'mesh:roots';
