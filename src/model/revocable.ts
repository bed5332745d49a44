// The names under which a caller can be revoked: its credential, the family of it, the node it is bound to, its identity; and
// the same of a certificate that it showed beside a token. Pure. It must not know the list.
// Invariant: whatever is on the list under any of them ends every stream that any of them opened.
import type { CredentialRef, Principal } from './principal.ts';

type CredentialKind = Principal['credential']['kind'];

/** `issuer`: whatever an intermediate signed. `node`, `identity`: every family that began for them until then; one that begins later is good. */
export type RevocableKind = CredentialKind | 'family' | 'issuer' | 'node' | 'identity';

export const revocableKinds = [
  'token',
  'certificate',
  'consul',
  'oidc',
  'family',
  'issuer',
  'node',
  'identity',
] as const;

export interface RevocableName {
  readonly kind: RevocableKind;
  /** As listeners are told it. */
  readonly id: string;
}

export function revocableNames({ id, nodeId, credential }: Principal): readonly RevocableName[] {
  const { kind, beside } = credential;
  return [
    ...ofCredential(kind, credential),
    ...(beside === undefined ? [] : ofCredential('certificate', beside)),
    { kind: 'identity', id },
    ...(nodeId === undefined ? [] : [{ kind: 'node', id: nodeId } as const]),
  ];
}

function ofCredential(kind: CredentialKind, { id, family = id, issuer }: CredentialRef): readonly RevocableName[] {
  return [
    { kind, id },
    { kind: 'family', id: family },
    ...(issuer === undefined ? [] : [{ kind: 'issuer', id: issuer } as const]),
  ];
}

/** They name whom a credential was made for, not one. */
export function isNamed(kind: string): boolean {
  return kind === 'node' || kind === 'identity';
}
