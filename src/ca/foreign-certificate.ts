// What a certificate of an authority outside says of itself beyond `certificate.ts`: what it may do, and how it was signed.
// It verifies no signature. Invariant: what cannot be read whole is refused with CH1811, never half read.
import { AppError } from '../util/errors.ts';
import { type Certificate, readCertificate } from './certificate.ts';
import { type DerElement, readElements, readOne, tags } from './der.ts';

export interface ForeignCertificate extends Certificate {
  /** keyUsage with keyCertSign (RFC 5280 4.2.1.3); false where keyUsage is absent. */
  readonly signsCertificates: boolean;
  /** Certificates of authorities that may stand below it; undefined: any number. */
  readonly pathLength: number | undefined;
  /** Object ids as hex; undefined: for everything. */
  readonly extendedUses: readonly string[] | undefined;
  /** Hosts of URIs (RFC 5280 4.2.1.10), with a leading dot for what is below; undefined: nothing is said of URIs. */
  readonly permittedHosts: readonly string[] | undefined;
  readonly excludedHosts: readonly string[];
  /** Object ids, as hex, of critical extensions that TLS libraries do not know. */
  readonly unknownCritical: readonly string[];
  /** Object id of its signature's algorithm, as hex. */
  readonly signatureAlgorithm: string;
}

const ids = {
  keyUsage: '551d0f',
  basicConstraints: '551d13',
  nameConstraints: '551d1e',
  extendedKeyUsage: '551d25',
};
/** Those above, and: subjectAltName, certificatePolicies, policyMappings, policyConstraints, inhibitAnyPolicy. */
const known = new Set([...Object.values(ids), '551d11', '551d20', '551d21', '551d24', '551d36']);
/** The sixth bit of a keyUsage. */
const certSign = 0x04;
const uriName = 0x86;
const maxPathLength = 255;

export function readForeign(der: Uint8Array): ForeignCertificate {
  const read = readCertificate(der);
  try {
    return { ...read, ...readRest(der) };
  } catch (cause) {
    throw new AppError('CH1811', 'these bytes are not a certificate of version 3', { cause });
  }
}

function readRest(der: Uint8Array): Omit<ForeignCertificate, keyof Certificate> {
  const [tbs, algorithm] = readElements(readOne(der, tags.sequence).content);
  const extensions = readElements(needed(tbs).content).find(({ tag }) => tag === 0xa3);
  const all = extensions === undefined ? [] : readElements(readOne(extensions.content, tags.sequence).content);
  const values = new Map<string, Uint8Array>();
  const unknownCritical: string[] = [];
  for (const { content } of all) {
    const [id, second, third] = readElements(content);
    const name = hex(id);
    if (values.has(name)) throw new RangeError('an extension stands there twice');
    values.set(name, needed(third ?? second).content);
    if (second?.tag === tags.boolean && second.content[0] !== 0 && !known.has(name)) unknownCritical.push(name);
  }
  const constraints = members(values.get(ids.basicConstraints));
  const limit = constraints?.find(({ tag }) => tag === tags.integer)?.content;
  const usage = values.get(ids.keyUsage);
  const names = members(values.get(ids.nameConstraints)) ?? [];
  const permitted = hostsOf(names.find(({ tag }) => tag === 0xa0));
  return {
    signsCertificates: usage !== undefined && ((readOne(usage, tags.bitString).content[1] ?? 0) & certSign) !== 0,
    pathLength: limit === undefined ? undefined : limit.length === 1 ? (limit[0] ?? 0) : maxPathLength,
    extendedUses: members(values.get(ids.extendedKeyUsage))?.map(hex),
    permittedHosts: permitted.length > 0 ? permitted : undefined,
    excludedHosts: hostsOf(names.find(({ tag }) => tag === 0xa1)),
    unknownCritical,
    signatureAlgorithm: hex(readElements(needed(algorithm).content)[0]),
  };
}

/** Of GeneralSubtrees: what it says of URIs. */
function hostsOf(subtrees: DerElement | undefined): readonly string[] {
  if (subtrees === undefined) return [];
  return readElements(subtrees.content)
    .map(({ content }) => needed(readElements(content)[0]))
    .filter(({ tag }) => tag === uriName)
    .map(({ content }) => Buffer.from(content).toString('latin1').toLowerCase());
}

const members = (sequence: Uint8Array | undefined): readonly DerElement[] | undefined =>
  sequence && readElements(readOne(sequence, tags.sequence).content);
const hex = (element: DerElement | undefined): string => Buffer.from(needed(element).content).toString('hex');

function needed(element: DerElement | undefined): DerElement {
  if (element === undefined) throw new RangeError('an element is missing');
  return element;
}
