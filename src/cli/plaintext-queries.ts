// What to ask Prometheus about who calls sidecars outside of the mutual TLS of the mesh. Text only; it asks nobody.
// Invariant: the names are those that sidecars in permissive mode give each way in (src/translate/inbound.ts): `inbound_PORT_plaintext`,
// and `inbound_PORT_tls` for a caller's own TLS. Both ways are closed under `strict`.

type Way = 'plaintext' | 'tls';

/** Counters of one way in, requests or else connections, over `range`: `[1d]`, ` offset 1d`, or nothing. */
function counters(way: Way): readonly string[] {
  const connections = `envoy_tcp_downstream_cx_total{envoy_tcp_prefix=~"inbound_.*_${way}"}`;
  // Bytes of another's TLS go through: of services of HTTP too, connections are counted then.
  if (way === 'tls') return [connections];
  return [`envoy_http_downstream_rq_total{envoy_http_conn_manager_prefix=~"inbound_.*_${way}"}`, connections];
}

const all = [...counters('plaintext'), ...counters('tls')];
const either = (terms: readonly string[]): string => terms.join(' or ');

/** For people to ask: by service, all that `strict` would refuse. Approximate where a counter began within `since`. */
export function plaintextQuery(since: string): string {
  return `sum by (service) (${either(all.map((counter) => `increase(${counter}[${since}])`))})`;
}

/**
 * By service, what came in this way within `since`. A counter that was not there at its beginning counts whole: `increase`
 * knows nothing of what came before the first scrape.
 */
export function callsQuery(way: Way, since: string): string {
  const terms = counters(way).map(
    (counter) =>
      `(increase(${counter}[${since}]) > 0 or (max_over_time(${counter}[${since}]) unless ${counter} offset ${since}) > 0)`,
  );
  return `sum by (service) (${either(terms)})`;
}

/** The sidecars that count now, with labels `service` and `proxy`. */
export function countingQuery(): string {
  return `count by (service, proxy) (${either(all)})`;
}

/** The services of which any sidecar counted already when `since` began. */
export function countedThenQuery(since: string): string {
  return `count by (service) (${either(all.map((counter) => `${counter} offset ${since}`))})`;
}
