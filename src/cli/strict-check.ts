// Whether the next step to mutual TLS is safe: from what the control plane knows, and what sidecars counted of their callers.
// Pure. Invariant: it says "safe" only of what was seen whole. Who asked Prometheus gets `ok` or `FAIL`, and no data is no zero;
// who did not is told how to.
import type { ControlStatus, WithoutSidecar } from '../control/contract.ts';
import { type Check, named, some } from './check.ts';
import { plainText } from './plain-text.ts';
import { callsQuery, countedThenQuery, countingQuery, plaintextQuery } from './plaintext-queries.ts';
import type { PrometheusClient, Sample } from './prometheus.ts';
import { counted } from './table.ts';

/** What Prometheus has of the time that was asked for. */
export interface Seen {
  /** Whole seconds, as PromQL writes them, and as the user did. */
  readonly since: string;
  readonly plaintext: readonly Sample[];
  readonly ownTls: readonly Sample[];
  readonly counting: readonly Sample[];
  readonly countedThen: readonly Sample[];
}

/** `since`: as the user wrote it, which is what is shown; `seconds`: what is asked. */
export async function askSeen(prometheus: PrometheusClient, since: string, seconds: number): Promise<Seen> {
  const range = `${seconds}s`;
  const [plaintext, ownTls, counting, countedThen] = await Promise.all([
    prometheus.query(callsQuery('plaintext', range)),
    prometheus.query(callsQuery('tls', range)),
    prometheus.query(countingQuery()),
    prometheus.query(countedThenQuery(range)),
  ]);
  return { since, plaintext, ownTls, counting, countedThen };
}

/** `asked`: what Prometheus said, why it said nothing, or undefined where nobody asked it. */
export function nextStepCheck(
  status: ControlStatus,
  sidecarless: WithoutSidecar,
  asked: Seen | { readonly unknown: string } | undefined,
): Check {
  const { mtls } = sidecarless;
  if (mtls === 'strict') return { check: 'strict', result: 'ok', message: 'on: sidecars refuse plaintext' };
  if (mtls === 'off') return permissiveCheck(status);
  const unsettled = unsettledText(status, ['pending', 'rejecting']);
  const reasons = [
    ...(sidecarless.plaintext > 0 ? [`${counted(sidecarless.plaintext, 'instance')} without a sidecar`] : []),
    ...(asked === undefined || 'unknown' in asked ? [] : callsText(status, asked)),
    ...(unsettled === '' ? [] : [unsettled]),
  ];
  if (reasons.length > 0) {
    const result = asked === undefined ? 'warn' : 'FAIL';
    const next = reasons.length === 1 && unsettled !== '' ? 'chancery status' : nextForUnsafe;
    return { check: 'strict', result, message: `is not safe: ${reasons.join('; ')}`, next };
  }
  if (asked === undefined)
    return {
      ...{
        check: 'strict',
        result: 'warn',
        message: 'not known from here: callers in plaintext are counted by the sidecars',
      },
      next: `chancery check --prometheus http://HOST:9090; or ask it yourself: ${plaintextQuery('1d')}`,
    };
  const unknown = 'unknown' in asked ? asked.unknown : unseenText(status, asked);
  if (unknown !== '')
    return { check: 'strict', result: 'FAIL', message: `not known: ${unknown}`, next: nextForUnknown };
  const sidecars = byMesh(status).reduce((sum, { sidecars: number = 0 }) => sum + number, 0);
  const message = `is safe: no request in plaintext to any of ${counted(sidecars, 'sidecar')} in ${(asked as Seen).since}`;
  return { check: 'strict', result: 'ok', message };
}

const nextForUnsafe =
  'give each a sidecar, or `tls: permissive` (`none`) in its Service; who called stands in the access log of the sidecar, `peer` null. For what was before `permissive`, ask for less with --since';
const nextForUnknown =
  'have Prometheus scrape every sidecar by /sd/prometheus of each control plane, and ask again, or for less with --since';

function permissiveCheck(status: ControlStatus): Check {
  const unsettled = unsettledText(status, ['pending', 'rejecting', 'offline']);
  if (unsettled === '')
    return {
      check: 'permissive',
      result: 'ok',
      message: 'is safe: it takes plaintext too, and every proxy is in sync',
    };
  return {
    ...{ check: 'permissive', result: 'warn', message: `is not safe yet: ${unsettled}` },
    next: 'chancery status; callers that speak mutual TLS never fall back to plaintext, and a sidecar may have to take its new listener first',
  };
}

function unsettledText({ proxies }: ControlStatus, states: readonly string[]): string {
  const some = proxies.filter(({ state }) => states.includes(state));
  return some.length === 0
    ? ''
    : `${named(
        some.map(({ node }) => node),
        'proxy',
        'proxies',
      )} not in sync`;
}

/** Those that the mode of the Mesh holds for. */
function byMesh({ services }: ControlStatus): ControlStatus['services'] {
  return services.filter(({ tls }) => tls === undefined);
}

/** Who was called outside of the mesh's mutual TLS. A service that is not there any more loses nothing. */
function callsText(status: ControlStatus, { plaintext, ownTls, since }: Seen): readonly string[] {
  const known = new Set<string | undefined>([undefined, ...byMesh(status).map(({ id }) => id)]);
  const text = (what: string, samples: readonly Sample[]): readonly string[] => {
    const some = samples.filter(({ labels, value }) => value > 0 && known.has(labels['service']));
    const parts = some.map(({ labels, value }, index) => {
      const who = plainText(labels['service'] ?? 'a service without a name');
      return `${who} (${Math.max(1, Math.round(value))}${index === 0 ? ` in ${since}` : ''})`;
    });
    return parts.length === 0 ? [] : [`${what} to ${parts.join(', ')}`];
  };
  return [...text('plaintext', plaintext), ...text('TLS that is not of the mesh', ownTls)];
}

/** Why nothing follows from what was counted; empty where every sidecar counts, and did from the beginning. */
function unseenText(status: ControlStatus, { counting, countedThen, since }: Seen): string {
  const services = byMesh(status).filter(({ sidecars = 0 }) => sidecars > 0);
  if (services.length === 0) return 'there is no sidecar that could count';
  if (counting.length === 0) return 'it has no such time series, of no sidecar';
  const proxiesOf = (id: string): Set<string> =>
    new Set(counting.flatMap(({ labels: { service, proxy = '' } }) => (service === id && proxy !== '' ? [proxy] : [])));
  const short = services.flatMap(({ id, sidecars = 0 }) => {
    const proxies = proxiesOf(id);
    const connected = status.proxies.filter(
      ({ role, service, state }) => role === 'sidecar' && service === id && state !== 'offline',
    );
    const lacking = connected.filter(({ node }) => !proxies.has(node)).map(({ node }) => plainText(node));
    if (proxies.size >= sidecars && lacking.length === 0) return [];
    return [
      `${Math.min(proxies.size, sidecars)} of ${sidecars} of ${plainText(id)}${lacking.length === 0 ? '' : ` (not ${some(lacking)})`}`,
    ];
  });
  if (short.length > 0) return `it counts too few sidecars: ${some(short)}`;
  const then = new Set(countedThen.map(({ labels }) => labels['service']));
  const young = services.filter(({ id }) => !then.has(id)).map(({ id }) => plainText(id));
  return young.length === 0 ? '' : `nothing was counted yet ${since} ago for ${some(young)}`;
}
