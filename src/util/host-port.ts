// Hosts and ports as people and registration libraries write them, and which of them are this machine's own. Pure; nothing is
// resolved.
import { isIP } from 'node:net';

export interface HostPort {
  readonly address: string;
  readonly port: number;
}

const form = /^(?:(?:\[([0-9A-Fa-f:.]+(?:%\w+)?)\]|([A-Za-z0-9_][A-Za-z0-9_.-]*)):)?(\d{1,5})$/;

/** `HOST:PORT` or `[IPV6]:PORT`; `PORT` alone where there is a host to assume. Undefined for anything else. */
export function hostPort(text: string, host?: string): HostPort | undefined {
  const [, inBrackets, address = inBrackets ?? host, digits] = form.exec(text) ?? [];
  const port = Number(digits);
  return address === undefined || !(port >= 1 && port <= 65_535) ? undefined : { address, port };
}

/** Of a host, as it is configured or stands in a URL: whether it is this machine's loopback. */
export function isLoopback(host: string): boolean {
  return ['localhost', '::1', '[::1]'].includes(host) || (isIP(host) === 4 && host.startsWith('127.'));
}

/** Of the address of a peer, in which IPv4 may stand as IPv6 (`::ffff:127.0.0.1`). */
export function isLoopbackPeer(address: string): boolean {
  return isLoopback(address.replace(/^::ffff:/, ''));
}
