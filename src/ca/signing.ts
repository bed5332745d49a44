// What a signing thread is told and says, and how it carries out an order: a fresh key, a certificate, their bytes.
// It must not know threads, queues or the time. Invariant: a private key leaves as bytes that belong to nobody else, so that
// handing them over leaves no copy behind.
import type { ErrorCodeName } from '../util/error-codes.ts';
import { AppError, errorText } from '../util/errors.ts';
import {
  generateKeyPair,
  type Issuer,
  pkcs8,
  randomSerial,
  signEdge,
  signLeaf,
  signNode,
  signServer,
  type Validity,
} from './x509.ts';

export type SigningOrder = { readonly validity: Validity } & (
  | { readonly kind: 'leaf'; readonly spiffeId: string }
  /** For a key that somebody else keeps; SPKI DER. */
  | { readonly kind: 'certify'; readonly spiffeId: string; readonly publicKey: Uint8Array; readonly mark?: string }
  | { readonly kind: 'server'; readonly dns: readonly string[]; readonly ips: readonly string[]; readonly uri: string }
  | { readonly kind: 'edge'; readonly hosts: readonly string[] }
);

export interface Signed {
  /** DER. */
  readonly certificate: Uint8Array<ArrayBuffer>;
  /** PKCS#8 DER; empty if the order brought its own key. */
  readonly key: Uint8Array<ArrayBuffer>;
  /** Hex. */
  readonly serial: string;
}

/** In order; `issuer` holds for these and all later ones. */
export interface SigningTask {
  readonly issuer: Issuer | undefined;
  readonly orders: readonly { readonly id: number; readonly order: SigningOrder }[];
}

export type SigningAnswer = { readonly id: number } & (
  | { readonly signed: Signed }
  | { readonly refused: { readonly code: ErrorCodeName | undefined; readonly message: string } }
);

/** Throws what the certificate's own checks throw. Takes about 0.3 ms. */
export function carryOut(issuer: Issuer, order: SigningOrder): Signed {
  const number = randomSerial();
  const serial = Buffer.from(number).toString('hex');
  const of = { validity: order.validity, serial: number };
  if (order.kind === 'certify') {
    const { spiffeId, publicKey, mark } = order;
    const certificate = signNode(issuer, { ...of, spiffeId, publicKey, ...(mark === undefined ? {} : { mark }) });
    return { certificate: ownBytes(certificate), key: new Uint8Array(0), serial };
  }
  const { publicKey, privateKey } = generateKeyPair();
  const certificate = signed(issuer, order, { ...of, publicKey });
  const exported = pkcs8(privateKey);
  const key = ownBytes(exported);
  exported.fill(0);
  return { certificate: ownBytes(certificate), key, serial };
}

function signed(
  issuer: Issuer,
  order: Exclude<SigningOrder, { kind: 'certify' }>,
  of: Omit<Parameters<typeof signEdge>[1], 'hosts'>,
): Uint8Array {
  if (order.kind === 'leaf') return signLeaf(issuer, { ...of, spiffeId: order.spiffeId });
  if (order.kind === 'edge') return signEdge(issuer, { ...of, hosts: order.hosts });
  return signServer(issuer, { ...of, dns: order.dns, ips: order.ips, uri: order.uri });
}

/** The answers to a task, and the memory that moves with them. `issuer`: of the task, or of one before. */
export function answersTo(
  issuer: Issuer,
  orders: SigningTask['orders'],
): { readonly answers: readonly SigningAnswer[]; readonly moved: readonly ArrayBuffer[] } {
  const moved: ArrayBuffer[] = [];
  const answers = orders.map(({ id, order }): SigningAnswer => {
    try {
      const signed = carryOut(issuer, order);
      moved.push(signed.certificate.buffer, signed.key.buffer);
      return { id, signed };
    } catch (error) {
      const code = error instanceof AppError ? error.code : undefined;
      return { id, refused: { code, message: errorText(error).replace(/^\[\w+\] /, '') } };
    }
  });
  return { answers, moved };
}

/** Buffers may share memory with others; what is moved to another thread must not. */
function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}
