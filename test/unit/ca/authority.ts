// A root, an intermediate and leaves of it for tests, at fixed times.
import {
  generateKeyPair,
  type Issuer,
  type KeyPair,
  randomSerial,
  selfSignedRoot,
  signIntermediate,
  signLeaf,
} from '../../../src/ca/x509.ts';

export const now = Date.UTC(2030, 0, 1);
export const hour = 3_600_000;
export const day = 24 * hour;
export const year = 365 * day;
export const trustDomain = 'mesh.example';
export const webId = `spiffe://${trustDomain}/svc/web`;

export interface TestAuthority {
  readonly root: Issuer;
  readonly intermediate: Issuer;
}

export function testAuthority(): TestAuthority {
  const rootPair = generateKeyPair();
  const rootLife = { notBeforeMs: now - hour, notAfterMs: now + 10 * year };
  const root = {
    certificate: selfSignedRoot(rootPair, { trustDomain, validity: rootLife, serial: randomSerial() }),
    key: rootPair.privateKey,
  };
  const pair = generateKeyPair();
  const certificate = signIntermediate(root, {
    publicKey: pair.publicKey,
    trustDomain,
    validity: { notBeforeMs: now - hour, notAfterMs: now + 7 * day },
    serial: randomSerial(),
  });
  return { root, intermediate: { certificate, key: pair.privateKey } };
}

export function testLeaf(
  { intermediate }: TestAuthority,
  of: {
    readonly pair?: KeyPair;
    readonly publicKey?: Uint8Array;
    readonly spiffeId?: string;
    readonly serial?: Uint8Array;
  } = {},
): Uint8Array {
  return signLeaf(intermediate, {
    publicKey: of.publicKey ?? (of.pair ?? generateKeyPair()).publicKey,
    spiffeId: of.spiffeId ?? webId,
    validity: { notBeforeMs: now - 60_000, notAfterMs: now + day },
    serial: of.serial ?? randomSerial(),
  });
}
