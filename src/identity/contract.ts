// What tells who a caller is. It knows no xDS and no HTTP: credentials come as bytes, and what goes out is a principal.
// Invariant: fail closed. What cannot be verified now is nobody, and no claim of a node is looked at.
import type { Caller, Credentials, Principal } from '../model/principal.ts';

/** One kind of credential. */
export interface Verifier {
  readonly kind: Principal['credential']['kind'];
  /** Undefined: no credential of this kind came; another verifier may know it. */
  verify(credentials: Credentials): Promise<Caller> | Caller | undefined;
}

export interface Authenticator {
  /** Asks the verifiers in order: the first that knows its kind decides. */
  authenticate(credentials: Credentials): Promise<Caller>;
  /** Told which credentials (`credential.id`) were revoked: their streams are to be closed within 60 s. */
  onRevoked(listener: (credentialIds: ReadonlySet<string>) => void): () => void;
}
