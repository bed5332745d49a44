// Seals a secret for a place where others can read: a fresh data key encrypts it, the key-encryption key wraps the data key,
// both with AES-256-GCM. It must not know where the envelope lies or where the key-encryption key comes from.
// Invariant: an envelope opens only with its key and only at the place that it was sealed for; each failure has its own
// code, and none of the messages holds a byte of a key.
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import { AppError } from '../util/errors.ts';
import { canonicalJson } from '../util/hash.ts';

/** Bound into the envelope: a sealed value that is copied to another place does not open there. */
export interface Place {
  /** Key in the store. */
  readonly path: string;
  readonly trustDomain: string;
  readonly generation: number;
}

interface Envelope {
  readonly version: 1;
  /** Names the key-encryption key without telling anything about it. */
  readonly keyId: string;
  readonly place: Place;
  /** Base64 of nonce, ciphertext and tag. */
  readonly dataKey: string;
  readonly secret: string;
}

const cipher = 'aes-256-gcm';
const keyLength = 32;
const nonceLength = 12;
const tagLength = 16;

/** The envelope, as JSON in UTF-8. `kek` has 32 bytes. */
export function seal(kek: Uint8Array, place: Place, secret: Uint8Array): Uint8Array {
  const keyId = keyIdOf(kek);
  const dataKey = randomBytes(keyLength);
  try {
    const envelope: Envelope = {
      version: 1,
      keyId,
      place,
      dataKey: encrypt(kek, context('data key', keyId, place), dataKey),
      secret: encrypt(dataKey, context('secret', keyId, place), secret),
    };
    return Buffer.from(canonicalJson(envelope));
  } finally {
    dataKey.fill(0);
  }
}

/** The secret. Rejects with CH1806 for another key, CH1807 for damage, CH1808 for another place. */
export function unseal(kek: Uint8Array, place: Place, sealed: Uint8Array): Buffer {
  const keyId = keyIdOf(kek);
  const envelope = parse(sealed, place.path);
  if (envelope.keyId !== keyId)
    throw new AppError('CH1806', `"${place.path}" was sealed by the key ${envelope.keyId}; the one given is ${keyId}`);
  if (canonicalJson(envelope.place) !== canonicalJson(place))
    throw new AppError(
      'CH1808',
      `"${place.path}" holds what was sealed for ${placeText(envelope.place)}, not for ${placeText(place)}`,
    );
  const dataKey = decrypt(kek, context('data key', keyId, place), envelope.dataKey);
  if (dataKey?.length !== keyLength) throw damaged(place.path, 'its data key does not open');
  const secret = decrypt(dataKey, context('secret', keyId, place), envelope.secret);
  dataKey.fill(0);
  if (secret === undefined) throw damaged(place.path, 'its secret does not open');
  return secret;
}

function damaged(path: string, why: string): AppError {
  return new AppError('CH1807', `"${path}" is not a whole envelope: ${why}`);
}

const placeText = ({ path, trustDomain, generation }: Place): string =>
  `${JSON.stringify(path)} of ${JSON.stringify(trustDomain)}, generation ${generation}`;

function keyIdOf(kek: Uint8Array): string {
  if (kek.length !== keyLength)
    throw new AppError('CH1805', `a key-encryption key has ${keyLength} bytes, not ${kek.length}`);
  return createHmac('sha256', kek).update('chancery: name of a key-encryption key').digest('hex').slice(0, 16);
}

/** What is authenticated beside the ciphertext. */
function context(use: string, keyId: string, { path, trustDomain, generation }: Place): Buffer {
  return Buffer.from(canonicalJson({ use, keyId, path, trustDomain, generation }));
}

function encrypt(key: Uint8Array, aad: Uint8Array, plain: Uint8Array): string {
  const nonce = randomBytes(nonceLength);
  const encryption = createCipheriv(cipher, key, nonce).setAAD(aad);
  return Buffer.concat([nonce, encryption.update(plain), encryption.final(), encryption.getAuthTag()]).toString(
    'base64',
  );
}

/** Undefined where a byte of anything differs. */
function decrypt(key: Uint8Array, aad: Uint8Array, text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length < nonceLength + tagLength) return undefined;
  const decryption = createDecipheriv(cipher, key, bytes.subarray(0, nonceLength), { authTagLength: tagLength })
    .setAAD(aad)
    .setAuthTag(bytes.subarray(-tagLength));
  const plain = decryption.update(bytes.subarray(nonceLength, -tagLength));
  try {
    return Buffer.concat([plain, decryption.final()]);
  } catch {
    return undefined;
  }
}

function parse(sealed: Uint8Array, path: string): Envelope {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(sealed).toString('utf8'));
  } catch {
    throw damaged(path, 'it is cut short or is something else');
  }
  if (!isEnvelope(value)) throw damaged(path, 'it lacks a part, or is of a newer form');
  return value;
}

function isEnvelope(value: unknown): value is Envelope {
  const { version, keyId, place, dataKey, secret } = members(value);
  const { path, trustDomain, generation } = members(place);
  const texts = [keyId, dataKey, secret, path, trustDomain];
  return version === 1 && typeof generation === 'number' && texts.every((text) => typeof text === 'string');
}

function members(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
