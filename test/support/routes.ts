// Small Routes for unit tests.
import { type ServiceId, serviceId } from '../../src/model/names.ts';
import type { Provenance } from '../../src/model/provenance.ts';
import type { Match, Route, Rule } from '../../src/model/route.ts';

export function testProvenance(name: string, line = 1): Provenance {
  return { source: 'objects', file: `${name}.yaml`, line, column: 1, object: `Route default/${name}` };
}

export function testMatch(name: string, match: Partial<Match> = {}): Match {
  return { headers: [], query: [], from: [], provenance: testProvenance(name), ...match };
}

export function testRule(route: string, index: number, rule: Partial<Rule> & { readonly to?: string } = {}): Rule {
  const { to = 'web', ...rest } = rule;
  const service: ServiceId = serviceId('default', to);
  return {
    name: `default/${route}#${index}`,
    index,
    matches: [testMatch(route)],
    action: { kind: 'forward', to: [{ service, weight: 1, provenance: testProvenance(route) }] },
    provenance: testProvenance(route),
    ...rest,
  };
}

/** One rule to `to` unless `rules` are given. */
export function testRoute(name: string, route: Partial<Route> & { readonly to?: string } = {}): Route {
  const { to, ...rest } = route;
  return {
    namespace: 'default',
    name,
    hosts: [`${name}.example`],
    protocol: 'http',
    rules: [testRule(name, 0, to === undefined ? {} : { to })],
    provenance: testProvenance(name),
    ...rest,
  };
}
