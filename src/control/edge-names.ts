// Whether what an edge shows is for the hosts that its listeners admit. It must not know files or authorities.
// Invariant: pure; a listener is told of once, with the hosts that clients would refuse.
import type { GatewayListener } from '../model/gateway.ts';
import { createProblem, type Problem } from '../model/problem.ts';
import type { World } from '../model/world.ts';

/** As clients compare names (RFC 9525 6.3): a `*` stands for one label. */
export function isFor(names: readonly string[], host: string): boolean {
  const asked = host.toLowerCase();
  const dot = asked.indexOf('.');
  return names.some((name) => {
    const own = name.toLowerCase();
    return own === asked || (own.startsWith('*.') && dot > 0 && asked.slice(dot) === own.slice(1));
  });
}

/** `namesOf`: of a certificate, as the World names it; undefined: not known yet. A listener for every host is asked nothing. */
export function checkNames(
  gateways: World['gateways'],
  namesOf: (certificate: string) => readonly string[] | undefined,
): readonly Problem[] {
  return [...gateways.values()].flatMap(({ listeners, provenance }) =>
    listeners.flatMap((listener, index) => problemOf(listener, index, listener.provenance ?? provenance, namesOf)),
  );
}

function problemOf(
  { name, hosts, tls }: GatewayListener,
  index: number,
  at: GatewayListener['provenance'],
  namesOf: (certificate: string) => readonly string[] | undefined,
): readonly Problem[] {
  const names = tls === undefined ? undefined : namesOf(tls.certificate);
  if (tls === undefined || names === undefined || at === undefined) return [];
  const wrong = hosts.filter((host) => host !== '*' && !isFor(names, host));
  if (wrong.length === 0) return [];
  const message = `certificate "${tls.certificate}" of listener "${name}" is not for ${wrong.join(', ')}`;
  return [createProblem('CH1268', at, message, { severity: 'warning', path: `spec.listeners[${index}].hosts` })];
}
