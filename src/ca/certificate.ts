// What the authority needs to read of a certificate: whose it is, of which key, until when, and whether it may sign.
// It verifies nothing. Invariant: what is not a DER certificate of version 3 is refused with CH1811, never half read.
import { createHash } from 'node:crypto';
import { AppError } from '../util/errors.ts';
import { type DerElement, readElements, readOne, readTime, tags } from './der.ts';

export interface Certificate {
  /** DER of the Name, as it stands there. */
  readonly subject: Uint8Array;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
  readonly serial: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly subjectKeyId: Uint8Array | undefined;
  readonly mayCertify: boolean;
  /** Of its Subject Alternative Name. */
  readonly uris: readonly string[];
}

/** SHA-256 of a SubjectPublicKeyInfo, hex. */
export function publicKeyId(spki: Uint8Array): string {
  return createHash('sha256').update(spki).digest('hex');
}

export function readCertificate(der: Uint8Array): Certificate {
  try {
    return readStrictly(der);
  } catch (cause) {
    throw new AppError('CH1811', 'these bytes are not a certificate of version 3', { cause });
  }
}

function readStrictly(der: Uint8Array): Certificate {
  const [tbs] = readElements(readOne(der, tags.sequence).content);
  const [version, serial, , , validity, subject, publicKey, ...rest] = readElements(needed(tbs).content);
  if (needed(version).tag !== 0xa0) throw new RangeError('not of version 3');
  const [notBefore, notAfter] = readElements(needed(validity).content);
  const extensions = readExtensions(rest.find(({ tag }) => tag === 0xa3));
  const subjectKeyId = extensions.get('551d0e');
  const constraints = extensions.get('551d13');
  const names = extensions.get('551d11');
  return {
    subject: needed(subject).whole,
    publicKey: needed(publicKey).whole,
    serial: needed(serial).content,
    notBeforeMs: readTime(needed(notBefore)),
    notAfterMs: readTime(needed(notAfter)),
    subjectKeyId: subjectKeyId === undefined ? undefined : readOne(subjectKeyId, tags.octetString).content,
    mayCertify:
      constraints !== undefined &&
      readElements(readOne(constraints, tags.sequence).content).some(
        ({ tag, content }) => tag === tags.boolean && content[0] === 0xff,
      ),
    uris:
      names === undefined
        ? []
        : readElements(readOne(names, tags.sequence).content)
            .filter(({ tag }) => tag === 0x86)
            .map(({ content }) => Buffer.from(content).toString('latin1')),
  };
}

/** Values by the hex of their object id's content. */
function readExtensions(element: DerElement | undefined): ReadonlyMap<string, Uint8Array> {
  if (element === undefined) return new Map();
  return new Map(
    readElements(readOne(element.content, tags.sequence).content).map(({ content }) => {
      const parts = readElements(content);
      return [Buffer.from(needed(parts[0]).content).toString('hex'), needed(parts.at(-1)).content];
    }),
  );
}

function needed(element: DerElement | undefined): DerElement {
  if (element === undefined) throw new RangeError('an element is missing');
  return element;
}
