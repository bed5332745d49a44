// What the rules of one Route say against themselves: matches that no request can meet, HTTP in a TCP Route, one name for
// two rules. All of it is served as written; the author is told. Pure; it knows no other object.
// Invariant: only what is certain is said; two regular expressions are never compared.
import { createProblem, type Problem } from './problem.ts';
import type { Match, NamedMatch, Route, Rule, StringMatch } from './route.ts';

/** No value meets both. */
function apart(a: StringMatch, b: StringMatch): boolean {
  if ('exact' in a) {
    if ('exact' in b) return a.exact !== b.exact;
    if ('prefix' in b) return !a.exact.startsWith(b.prefix);
    return 'suffix' in b && !a.exact.endsWith(b.suffix);
  }
  if ('exact' in b) return apart(b, a);
  return 'prefix' in a && 'prefix' in b && !a.prefix.startsWith(b.prefix) && !b.prefix.startsWith(a.prefix);
}

/** Every value that meets `wanted` is one that `refused` keeps out. */
function refuses(refused: StringMatch, wanted: StringMatch): boolean {
  if ('present' in refused) return true;
  if ('present' in wanted) return false;
  if ('exact' in wanted) {
    if ('exact' in refused) return wanted.exact === refused.exact;
    if ('prefix' in refused) return wanted.exact.startsWith(refused.prefix);
    return 'suffix' in refused && wanted.exact.endsWith(refused.suffix);
  }
  if ('prefix' in wanted) return 'prefix' in refused && wanted.prefix.startsWith(refused.prefix);
  return 'suffix' in wanted && 'suffix' in refused && wanted.suffix.endsWith(refused.suffix);
}

function contradict(a: NamedMatch, b: NamedMatch): boolean {
  if (a.name !== b.name) return false;
  if (!a.invert && !b.invert) return apart(a.match, b.match);
  if (a.invert && b.invert) return false;
  return a.invert ? refuses(a.match, b.match) : refuses(b.match, a.match);
}

/** Why no request meets the match, or undefined. */
function impossible(match: Match, route: Route): string | undefined {
  for (const [what, list] of [
    ['header', match.headers],
    ['query parameter', match.query],
  ] as const)
    for (const [index, one] of list.entries())
      if (list.slice(index + 1).some((other) => contradict(one, other)))
        return `its conditions on ${what} "${one.name}" exclude each other`;
  if (match.from.length > 0 && route.gateways !== undefined && !route.gateways.includes('mesh'))
    return 'it asks for a calling service, and a gateway is none';
  return undefined;
}

function warning(
  code: 'CH1010' | 'CH1228' | 'CH1230',
  rule: Pick<Rule, 'provenance' | 'index'>,
  message: string,
): Problem {
  return createProblem(code, rule.provenance, message, { severity: 'warning', path: `spec.rules[${rule.index}]` });
}

/** Keys of a rule that mean nothing to bytes. */
function httpKeys(rule: Rule): readonly string[] {
  const { matches, action, rewrite, requestHeaders, responseHeaders, timeoutMs, hashOn } = rule;
  const asks = matches.some(
    ({ path, method, headers, query, from }) =>
      path !== undefined || method !== undefined || headers.length + query.length + from.length > 0,
  );
  return [
    ...(asks ? ['match'] : []),
    ...(action.kind === 'forward' ? [] : [action.kind]),
    ...(rewrite === undefined ? [] : ['rewrite']),
    ...(requestHeaders === undefined && responseHeaders === undefined ? [] : ['headers']),
    ...(timeoutMs === undefined ? [] : ['timeout']),
    ...(hashOn === undefined ? [] : ['hash']),
  ];
}

function tcpSense({ rules }: Route): Problem[] {
  const taking = rules.find(({ action }) => action.kind === 'forward');
  return rules.flatMap((rule) => {
    const keys = httpKeys(rule);
    const found: Problem[] = [];
    if (keys.length > 0)
      found.push(
        warning(
          'CH1010',
          rule,
          `rule "${rule.name}" of a TCP Route has no use for ${keys.join(', ')}: bytes have no requests`,
        ),
      );
    if (taking !== undefined && rule.index > taking.index)
      found.push(
        warning('CH1228', rule, `rule "${rule.name}" can never match: every connection goes to rule "${taking.name}"`),
      );
    return found;
  });
}

export function senseOf(route: Route): readonly Problem[] {
  const names = new Map<string, Rule>();
  const found: Problem[] = route.protocol === 'tcp' ? tcpSense(route) : [];
  for (const rule of route.rules) {
    const first = names.get(rule.name);
    if (first === undefined) names.set(rule.name, rule);
    else
      found.push(
        warning('CH1230', rule, `rules ${first.index + 1} and ${rule.index + 1} are both named "${rule.name}"`),
      );
    if (route.protocol === 'tcp') continue;
    for (const match of rule.matches) {
      const why = impossible(match, route);
      if (why === undefined) continue;
      const subject = `${rule.matches.length > 1 ? 'a match of ' : ''}rule "${rule.name}"`;
      found.push(warning('CH1228', { ...rule, provenance: match.provenance }, `${subject} can never match: ${why}`));
    }
  }
  return found;
}
