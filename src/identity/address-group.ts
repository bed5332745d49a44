// Which addresses are counted as one: an IPv4 address, however it is written, and the /64 that one IPv6 host can use at will.
// Pure. It must not know what is counted.
import { isIPv4, isIPv6 } from 'node:net';

/** `10.0.0.7`, `2001:db8:0:1::/64`; any other text as it is, cut. */
export function addressGroup(address: string): string {
  const [text = ''] = address.split('%');
  if (isIPv4(text)) return text;
  if (!isIPv6(text)) return address.slice(0, 64);
  const lastColon = text.lastIndexOf(':');
  const embedded = text.slice(lastColon + 1);
  if (isIPv4(embedded) && /^::ffff:$/i.test(text.slice(0, lastColon + 1))) return embedded;
  // Where an IPv4 address stands at the end, it takes two of the eight groups.
  const groups = isIPv4(embedded) ? `${text.slice(0, lastColon + 1)}0:0` : text;
  const [left = '', right] = groups.split('::');
  const before = left === '' ? [] : left.split(':');
  const after = right === undefined || right === '' ? [] : right.split(':');
  const zeros = Array.from({ length: right === undefined ? 0 : 8 - before.length - after.length }, () => '0');
  const all = [...before, ...zeros, ...after].map((group) => Number.parseInt(group, 16).toString(16));
  return `${all.slice(0, 4).join(':')}::/64`;
}
