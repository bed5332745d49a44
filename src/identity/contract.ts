// What tells who a caller is. It knows no xDS and no HTTP: credentials come as bytes, and what goes out is a principal.
// Invariant: fail closed. What cannot be verified now is nobody, and no claim of a node is looked at.
import type { Caller, Credentials, Principal } from '../model/principal.ts';

export type CredentialKind = Principal['credential']['kind'];

/** Told the ids (`credential.id`) of credentials that hold no more. */
export type RevokedListener = (credentialIds: ReadonlySet<string>) => void;

/** Whoever learns of credentials that hold no more: the list in the store, or a verifier that asks its issuer again. */
export interface RevocationSource {
  /** Returns the way to stop. */
  onRevoked(listener: RevokedListener): () => void;
}

/** One kind of credential. `onRevoked`: it learns itself of credentials that hold no more. */
export interface Verifier extends Partial<RevocationSource> {
  readonly kind: CredentialKind;
  /** Undefined: no credential of this kind came; another verifier may know it. Never throws on what a caller sent. */
  verify(credentials: Credentials): Promise<Caller> | Caller | undefined;
  /** Of one that asks somebody else: whether it knows the credential already, which no stranger can have guessed. */
  remembers?(credentials: Credentials): boolean;
}

export interface Authenticator extends RevocationSource {
  /** Asks the verifiers in order: the first that knows its kind decides. */
  authenticate(credentials: Credentials): Promise<Caller>;
  /** Told which credentials (`credential.id`) were revoked: their streams are to be closed within 60 s. */
  onRevoked(listener: RevokedListener): () => void;
}
