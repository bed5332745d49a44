// Who may have what, for every door: xDS, the other gRPC services, REST, the HTTP API and what is asked for debugging.
// Pure, and the only place where this is decided. It must not know a protocol, nor how anybody proved who it is.
// Invariants: everything that can be asked for has a class; whoever is not named here is refused; to be on this machine is
// enough for nothing that changes anything.

/** Of those who ask the HTTP API, each may do what the one before may. */
export const roles = ['reader', 'editor', 'operator'] as const;
export type Role = (typeof roles)[number];

export type AccessClass =
  /** Anybody: why, stands beside whatever has this class. */
  | 'open'
  /** Status, dumps without secrets, lists. */
  | 'reading'
  /** Objects, also on trial. */
  | 'editing'
  /** Tokens, revocations, roots, levels of the log: what others rely on. */
  | 'operating'
  /** What a node of the mesh asks for; which part of it, its principal decides. */
  | 'mesh'
  /** For people's tools at the port of the nodes, never a change: of readers; where nobody is asked, of this machine only. */
  | 'inspecting';

export type Asker =
  /** No credential, or none that holds. */
  | { readonly kind: 'nobody' }
  /** A token of the HTTP API. */
  | { readonly kind: 'role'; readonly role: Role; readonly name: string }
  /** A node with a verified credential. */
  | { readonly kind: 'principal' }
  /** Nobody is asked at this door: there is no authority, so there is no secret behind it either. */
  | { readonly kind: 'unasked' };

export type Decision =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly refused: 'unauthenticated' | 'permission-denied'; readonly reason: string };

export interface Asked {
  readonly access: AccessClass;
  /** It came over this machine's loopback. */
  readonly local: boolean;
}

/** The least role that may ask for what has this class. */
export const neededRole = {
  reading: 'reader',
  inspecting: 'reader',
  editing: 'editor',
  operating: 'operator',
} as const;
const allowed: Decision = { allowed: true };

/** The decision. Reasons are for whoever asks, and say nothing of anybody else. */
export function decide(asker: Asker, { access, local }: Asked): Decision {
  switch (access) {
    case 'open':
      return allowed;
    case 'mesh':
      if (asker.kind === 'principal' || asker.kind === 'unasked') return allowed;
      return asker.kind === 'role' ? denied('a token of the API is no credential of a node') : unknown('of a node');
    case 'inspecting':
    case 'reading':
    case 'editing':
    case 'operating':
      if (asker.kind === 'unasked' && access === 'inspecting')
        return local ? allowed : denied('it is answered on this machine only');
      if (asker.kind === 'nobody' || asker.kind === 'unasked') return unknown(`with the role ${neededRole[access]}`);
      if (asker.kind === 'principal') return denied('a credential of a node is no token of the API');
      return mayAct(asker.role, neededRole[access])
        ? allowed
        : denied(`the role ${neededRole[access]} is needed, and the token "${asker.name}" is of a ${asker.role}`);
    default:
      return denied('it has no class of access');
  }
}

export function mayAct(role: Role, needed: Role): boolean {
  return roles.indexOf(role) >= roles.indexOf(needed);
}

function denied(reason: string): Decision {
  return { allowed: false, refused: 'permission-denied', reason };
}

function unknown(whose: string): Decision {
  return { allowed: false, refused: 'unauthenticated', reason: `a credential ${whose} is needed` };
}
