// Which names a certificate may carry: texts in, checked names out.
// Invariant: a name is taken exactly as written or refused (CH1809); nothing is cut, escaped or normalised, so that no
// NUL byte, foreign character or second name can hide in one.
import { isIPv4, isIPv6 } from 'node:net';
import { type Identity, readSpiffeId, spiffeId } from '../model/spiffe.ts';
import { AppError } from '../util/errors.ts';
import type { AltName } from './profile.ts';

const label = '[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?';
const dnsName = new RegExp(`^(?=.{1,253}$)${label}(?:\\.${label})*$`);
/** More than any listener has; a certificate of thousands of names is refused by clients. */
const maxNames = 100;

function refusal(what: string, text: string): AppError {
  return new AppError('CH1809', `${what} ${JSON.stringify(text.slice(0, 100))} cannot stand in a certificate`);
}

/** The identity of this SPIFFE id. */
export function checkedIdentity(text: string): Identity {
  const identity = readSpiffeId(text);
  if (identity === undefined) throw refusal('the SPIFFE id', text);
  return identity;
}

/** `spiffe://<trust domain>`, as what signs carries it. */
export function trustDomainUri(trustDomain: string): string {
  if (spiffeId({ kind: 'control-plane', trustDomain }) === undefined) throw refusal('the trust domain', trustDomain);
  return `spiffe://${trustDomain}`;
}

/** Names of the control plane's listener: its URI first. */
export function serverNames(of: {
  readonly dns: readonly string[];
  readonly ips: readonly string[];
  readonly uri: string;
}): readonly AltName[] {
  if (checkedIdentity(of.uri).kind !== 'control-plane') throw refusal('as the name of a control plane,', of.uri);
  if (of.dns.length + of.ips.length > maxNames)
    throw new AppError(
      'CH1809',
      `${of.dns.length + of.ips.length} names are too many for one certificate (${maxNames})`,
    );
  return [
    { kind: 'uri', text: of.uri },
    ...of.dns.map((text): AltName => {
      // An address among the DNS names would be compared as a name, and match nothing.
      if (!dnsName.test(text) || isIPv4(text)) throw refusal('the DNS name', text);
      return { kind: 'dns', text };
    }),
    ...of.ips.map((text): AltName => ({ kind: 'ip', bytes: addressBytes(text) })),
  ];
}

/**
 * Names that an edge shows to clients, `*.x` allowed: hosts alone, so never an identity of the mesh. `reserved`: names that
 * others are known by; neither they nor a wildcard over one of them is taken (CH1266).
 */
export function edgeNames(hosts: readonly string[], reserved: readonly string[] = []): readonly AltName[] {
  if (hosts.length === 0) throw new AppError('CH1809', 'a certificate of an edge needs a host');
  if (hosts.length > maxNames)
    throw new AppError('CH1809', `${hosts.length} names are too many for one certificate (${maxNames})`);
  return hosts.map((text): AltName => {
    const plain = text.startsWith('*.') ? text.slice(2) : text;
    if (!dnsName.test(plain) || isIPv4(plain) || text.length > 253) throw refusal('the host', text);
    const lower = text.toLowerCase();
    const taken = reserved.find((name) => lower === name || (text !== plain && lower.slice(1) === tail(name)));
    if (taken !== undefined)
      throw new AppError('CH1266', `no edge is given the name ${JSON.stringify(text)}: the control plane is ${taken}`);
    return { kind: 'dns', text };
  });
}

/** `.b.c` of `a.b.c`. */
function tail(name: string): string | undefined {
  const dot = name.indexOf('.');
  return dot < 0 ? undefined : name.slice(dot);
}

function addressBytes(text: string): Uint8Array {
  if (isIPv4(text)) return Uint8Array.from(text.split('.'), Number);
  if (!isIPv6(text) || text.includes('%')) throw refusal('the IP address', text);
  // An IPv4 address at the end stands for two groups.
  const tail = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  const [, front = '', ...quad] = tail ?? [];
  const [a = 0, b = 0, c = 0, d = 0] = quad.map(Number);
  const plain = tail === null ? text : `${front}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  const [left = '', right] = plain.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const [before, after] = [groups(left), groups(right ?? '')];
  const zeros = right === undefined ? 0 : 8 - before.length - after.length;
  const all = [...before, ...Array.from({ length: zeros }, () => '0'), ...after].map((group) =>
    Number.parseInt(group, 16),
  );
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}
