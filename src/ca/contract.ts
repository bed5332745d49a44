// What the authority offers: roots that proxies trust, and leaves that proxies show.
// Certificates are DER. Private keys are PKCS#8 DER and never leave memory, but for a root's, which lies sealed or in a file
// of mode 0600. Invariant: a leaf's chain ends at a root that `roots` has.

export interface Root {
  readonly certificate: Uint8Array;
  /** SHA-256 of its SubjectPublicKeyInfo, hex: what join tokens and `status` name it by. */
  readonly keyId: string;
  readonly notAfterMs: number;
}

export interface Roots {
  /** Grows with every change of the set. */
  readonly generation: number;
  /** The first signs. */
  readonly roots: readonly Root[];
}

export interface IntermediateOrder {
  /** SPKI DER. */
  readonly publicKey: Uint8Array;
  readonly lifeMs: number;
  /** Signs with its private half (ECDSA, SHA-256, DER): what an authority outside asks for as proof that the key is ours. */
  readonly prove?: (bytes: Uint8Array) => Uint8Array;
}

/** Keeps the root key. One conformance suite runs over every kind. */
export interface RootProvider {
  /** `files`, `sealed`, ... */
  readonly kind: string;
  /**
   * The roots that are there; where none is, the first replica makes one and all agree on it. Refuses (CH18xx) where a key
   * is needed and missing or wrong: it never makes another root then.
   */
  open(): Promise<Roots>;
  /**
   * The roots as they are kept now, the one that signs first; asked about once a minute. Never makes one. Left out where roots
   * cannot change.
   */
  reload?(): Promise<Roots>;
  /** A certificate of an intermediate for this public key (SPKI DER), and what stands between it and the root. */
  signIntermediate(request: IntermediateOrder): Promise<{
    readonly certificate: Uint8Array;
    readonly chain: readonly Uint8Array[];
    readonly notAfterMs: number;
  }>;
}

/** In this order a queue is worked off. */
export type Urgency = 'none-yet' | 'expiring' | 'rotation' | 'routine';

export interface LeafRequest {
  /** The only URI SAN. */
  readonly spiffeId: string;
  /** Same text, same place in the renewal window: restarts do not synchronise. */
  readonly seed: string;
  readonly urgency: Urgency;
}

export interface Leaf {
  readonly spiffeId: string;
  /** The leaf first, then its intermediate; never a root. */
  readonly chain: readonly Uint8Array[];
  /** PKCS#8 DER. */
  readonly key: Uint8Array;
  readonly serial: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** 40 to 60 % of its life, by the seed. */
  readonly renewAtMs: number;
  /** `keyId` of the root it chains to. */
  readonly root: string;
  /** Key identifier (hex) of the intermediate that signed it, of those that are ours. */
  readonly issuer?: string;
}

/** What serves and calls nobody: the control plane's own listener, or an edge. */
export interface ServerCertificate {
  readonly chain: readonly Uint8Array[];
  readonly key: Uint8Array;
  readonly notAfterMs: number;
  readonly renewAtMs: number;
}

export interface Authority {
  /** The trusted roots. Throws before `open` has resolved. */
  roots(): Roots;
  /**
   * Told after the set of roots changed, or another of them signs, or in place of a tainted intermediate another: leaves whose
   * `root` is not the first of `roots`, or whose issuer is tainted, are then to be replaced.
   */
  onRoots(listener: (roots: Roots) => void): () => void;
  /** What this intermediate signed is not to be used any more. Left out where none ever is tainted. */
  isTainted?(issuer: string): boolean;
  /** Loads or makes the root and this replica's intermediate. */
  open(): Promise<void>;
  /** A fresh key and its leaf. Never on the main thread. */
  issue(request: LeafRequest): Promise<Leaf>;
  /** For the listener: DNS names, IP addresses and one URI. */
  issueServer(names: {
    readonly dns: readonly string[];
    readonly ips: readonly string[];
    readonly uri: string;
  }): Promise<ServerCertificate>;
  /**
   * For what an edge shows to clients: host names, `*.x` allowed, and no name of the mesh. Rejects with CH1266 for a name of
   * the control plane, CH1809 for what is no host.
   */
  issueEdge(
    hosts: readonly string[],
  ): Promise<ServerCertificate & { readonly notBeforeMs: number; readonly root: string }>;
  /**
   * Signs for a public key that the caller keeps the private half of (a node's client certificate). SPKI DER. Ends with the
   * intermediate at the latest, whatever was asked for: `notAfterMs` says when, `renewAtMs` when to come back.
   */
  certify(request: {
    readonly spiffeId: string;
    readonly publicKey: Uint8Array;
    readonly lifeMs: number;
    /** Stands in the subject: ASCII, at most 64 characters. */
    readonly mark?: string;
  }): Promise<Omit<Leaf, 'key'>>;
  /**
   * Asks the provider for its roots now, and has an intermediate of the first of them when it resolves; rejects (CH1816)
   * where that cannot be had yet. Listeners have been told then.
   */
  refresh(): Promise<void>;
  /** Renews the intermediate in time; returns when aborted. */
  run(signal: AbortSignal): Promise<void>;
}
