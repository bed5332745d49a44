// What came with a stream that may prove who opened it, gathered from its connection and its headers.
// It must not know what any of it means. Invariant: no header of these names is left out, merged with another, or logged.
import type { Credentials } from '../model/principal.ts';
import type { CredentialHeaders, Peer } from './sink.ts';

export const noHeaders: CredentialHeaders = { authorization: [], consulToken: [] };

const authorization = 'authorization';
const consulToken = 'x-consul-token';

/** `raw`: names in lower case and values, in turns, as HTTP/2 has them. */
export function headersOf(raw: readonly string[]): CredentialHeaders {
  const of = (name: string): string[] => raw.filter((_, index) => index % 2 === 1 && raw[index - 1] === name);
  if (!raw.includes(authorization) && !raw.includes(consulToken)) return noHeaders;
  return { authorization: of(authorization), consulToken: of(consulToken) };
}

/** The same of headers that are kept by name. */
export function namedHeaders(values: (name: string) => readonly string[]): CredentialHeaders {
  return { authorization: values(authorization), consulToken: values(consulToken) };
}

/** Plain data, nothing of it shared with the connection. */
export function credentialsOf(peer: Peer, headers: CredentialHeaders): Credentials {
  const certificate = peer.certificate();
  return {
    tls: peer.tls,
    ...(certificate === undefined ? {} : { certificate: new Uint8Array(certificate) }),
    authorization: [...headers.authorization],
    consulToken: [...headers.consulToken],
    address: peer.address,
  };
}
