// Who a client is, as a verified credential says. What a client says of itself is a claim, and never gets here.
// Data only: it can be sent between threads. Invariant: without a principal there is no secret.
import type { ServiceId } from './names.ts';

/** A credential as it is revoked. */
export interface CredentialRef {
  /** What is revoked: the `jti` of a token, the serial of a certificate, the accessor of an ACL token. Never a secret. */
  readonly id: string;
  /** All that were renewed from one another: revoked together. Undefined: it is the first, and `id` names its family. */
  readonly family?: string;
  /** Of a certificate: key identifier (hex) of what signed it, for where that is tainted. */
  readonly issuer?: string;
}

export interface Principal {
  /** Of the node, `spiffe://...`: what it may act as, and what its own certificate bears. */
  readonly id: string;
  /** Services it may stand beside; claims choose among them. */
  readonly services: readonly ServiceId[];
  /** Gateways it may be. */
  readonly gateways: readonly string[];
  /** Bound to one `node.id`; undefined: any of its instances. */
  readonly nodeId?: string;
  /** Wall-clock milliseconds: when its credential was made, of those that we make and that are to be renewed. */
  readonly issuedAtMs?: number;
  /**
   * When the first credential of its family was made: who revokes a node or an identity means what was renewed since, too.
   * Undefined: it is the first.
   */
  readonly sinceMs?: number;
  /** Wall-clock milliseconds: its streams end then. */
  readonly notAfterMs: number;
  readonly credential: CredentialRef & {
    readonly kind: 'token' | 'certificate' | 'consul' | 'oidc';
    /** A certificate that was shown beside it: with that one's revocation it holds no more. */
    readonly beside?: CredentialRef;
  };
}

/** What came with a connection or a stream, as bytes: nothing of it is believed yet. */
export interface Credentials {
  /** It came over TLS that we ended. */
  readonly tls: boolean;
  /** DER of the client certificate that the TLS library verified against our authorities. */
  readonly certificate?: Uint8Array;
  /** Every `authorization` header, in order. Two are refused. */
  readonly authorization: readonly string[];
  /** Every `x-consul-token` header. */
  readonly consulToken: readonly string[];
  /** The other end, without its port. */
  readonly address: string;
}

/** Why a caller is nobody. The words say nothing of what was wrong with a secret. */
export interface Unknown {
  readonly refused: 'unauthenticated' | 'permission-denied' | 'unavailable';
  readonly message: string;
  /** For counters and the audit log. */
  readonly cause:
    | 'missing'
    /** A secret was sent without TLS: whoever listened has it. */
    | 'plaintext'
    | 'malformed'
    | 'expired'
    | 'not-yet-valid'
    | 'wrong-audience'
    | 'wrong-algorithm'
    | 'unknown-key'
    | 'bad-signature'
    | 'revoked'
    | 'foreign-trust-domain'
    | 'ambiguous'
    | 'not-entitled'
    /** Too many failures from one address. */
    | 'rate-limited'
    | 'unavailable';
}

export type Caller = Principal | Unknown;
