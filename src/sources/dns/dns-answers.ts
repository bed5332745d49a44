// What DNS said about one service, as instances. Pure.
// It must not ask. Invariant: only the records of the lowest SRV priority are instances (RFC 2782: the others are for
// when none of these can be reached, which Envoy's own health decides, not DNS).
import type { Instance } from '../../model/instance.ts';

export interface AddressRecord {
  readonly address: string;
  /** Seconds. */
  readonly ttl: number;
}

export interface SrvRecord {
  readonly name: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

/** `empty`: the name or record does not exist. `failed`: nothing is known. */
export type Answer<T> =
  | { readonly kind: 'records'; readonly records: readonly T[] }
  | { readonly kind: 'empty'; readonly exists: boolean }
  | { readonly kind: 'failed'; readonly reason: string };

const reasons: Readonly<Record<string, string>> = {
  ESERVFAIL: 'the name server failed (SERVFAIL)',
  ETIMEOUT: 'the name server did not answer in time',
  ECONNREFUSED: 'no name server can be reached',
  EREFUSED: 'the name server refused',
};

/** A failed look-up as an answer: no such name and no such record are answers, all else is no knowledge. */
export function answerOfError(error: unknown): Answer<never> {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'ENOTFOUND') return { kind: 'empty', exists: false };
  if (code === 'ENODATA') return { kind: 'empty', exists: true };
  return { kind: 'failed', reason: reasons[code] ?? (code === '' ? String(error) : code) };
}

/** The records to use: lowest priority only, the `.` target (service not available here) left out. */
export function preferred(records: readonly SrvRecord[]): readonly SrvRecord[] {
  const lowest = Math.min(...records.map(({ priority }) => priority));
  return records.filter(({ priority, name }) => priority === lowest && name !== '' && name !== '.');
}

/** SRV weights (0..65535) as ours (1..128), in proportion where the largest does not fit. */
export function srvWeight(weight: number, largest: number): number {
  const scaled = largest > 128 ? (weight * 128) / largest : weight;
  return Math.min(128, Math.max(1, Math.round(scaled)));
}

export interface Endpoint {
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  /** The SRV target, for people; absent for plain addresses. */
  readonly target?: string;
}

export function instanceOfEndpoint(endpoint: Endpoint, place: string): Instance {
  const { address, port, weight, target } = endpoint;
  const id = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  return {
    key: `${place}/${id}`,
    id,
    address,
    port,
    health: 'healthy',
    weight,
    metadata: target === undefined ? {} : { target },
    tags: [],
  };
}
