// Limits of a server that hold unless its options say otherwise. Apart from the server, for code that must not load it.

/** Connections open at one time, over all threads of the process. */
export const defaultMaxConnections = 20_000;
