// Rules of several Routes that ask for exactly the same: merged by share where both say one (`linkerd.io` Routes),
// otherwise the one that comes first holds and the others are told. It must not know Envoy.
// Invariant: no two entries of the result have equal matches; each one that a broader one before it hides is told.
import { createProblem, type Problem } from '../model/problem.ts';
import type { Destination, Match, Route } from '../model/route.ts';
import { canonicalJson } from '../util/hash.ts';
import type { Share } from './route-action.ts';
import { type Entry, orderEntries } from './route-order.ts';
import { shadows } from './shadow.ts';

export interface MergedEntry extends Entry {
  /** Where requests go, by weight; empty unless the action forwards. Destinations of weight 0 are gone. */
  readonly shares: readonly Share[];
}

export interface MergedEntries {
  readonly entries: readonly MergedEntry[];
  readonly problems: readonly Problem[];
}

function matchKey({ path, method, headers, query, from }: Match): string {
  const plain = { path: path ?? { prefix: '/' }, method, headers, query, from: [...from].sort() };
  return canonicalJson(plain);
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
}

/** Equal destinations joined, weights without common factor. */
function reduce(shares: readonly Share[]): readonly Share[] {
  const joined = new Map<string, Share>();
  for (const share of shares) {
    if (share.weight <= 0) continue;
    const key = `${share.service} ${share.subset ?? ''}`;
    const known = joined.get(key);
    joined.set(key, known === undefined ? share : { ...known, weight: known.weight + share.weight });
  }
  const common = [...joined.values()].reduce((all, { weight }) => divisor(weight, all), 0) || 1;
  return [...joined.values()].map((share) => ({ ...share, weight: share.weight / common }));
}

/** The destinations of one rule with `weight` spread over them in parts per 10,000 of it. */
function spread(to: readonly Destination[], weight: number): Share[] {
  const total = to.reduce((sum, destination) => sum + destination.weight, 0);
  return to.map(({ service, subset, weight: own }) => ({
    service,
    ...(subset === undefined ? {} : { subset }),
    weight: total === 0 ? 0 : Math.round((own / total) * weight * 10_000),
  }));
}

function forwards({ rule }: Entry): readonly Destination[] | undefined {
  return rule.action.kind === 'forward' ? rule.action.to : undefined;
}

/** Envoy refuses a sum of weights above 2^32 - 1. */
const largestSum = 4_294_967_295;

function plainShares(entry: Entry): readonly Share[] {
  const to = forwards(entry) ?? [];
  const sum = to.reduce((total, { weight }) => total + weight, 0);
  const alone = sum === 0 ? to.slice(0, 1).map((destination) => ({ ...destination, weight: 1 })) : to;
  if (sum > largestSum) return reduce(spread(alone, 1));
  return reduce(
    alone.map(({ service, subset, weight }) => ({ service, ...(subset === undefined ? {} : { subset }), weight })),
  );
}

function mergedShares(group: readonly Entry[]): readonly Share[] {
  return reduce(group.flatMap((entry) => spread(forwards(entry) ?? [], entry.route.share ?? 0)));
}

/** What a rule loses to, and where it stands. */
function loses(code: 'CH1220' | 'CH1228', { loser, winner }: { loser: Entry; winner: Entry }): Problem {
  const where = winner.match.provenance;
  const at = where.file === '' ? '' : ` at ${where.file}:${where.line}:${where.column}`;
  const same = loser.route === winner.route || loser.route.provenance.object === winner.route.provenance.object;
  const subject = `${loser.rule.matches.length > 1 ? 'a match of ' : ''}rule "${loser.rule.name}"`;
  const only = loser.route.hosts.filter((host) => winner.route.hosts.includes(host));
  const hosts = only.length === loser.route.hosts.length ? '' : ` for ${only.map((host) => `"${host}"`).join(', ')}`;
  const { gateways } = winner.route;
  const everywhere = gateways === undefined || (loser.route.gateways ?? ['']).every((one) => gateways.includes(one));
  return createProblem(
    code,
    loser.match.provenance,
    `${subject} can never match${hosts}${everywhere ? '' : ` on ${gateways.join(', ')}`}: rule "${winner.rule.name}"${same ? '' : ` of ${winner.route.provenance.object}`} ${
      code === 'CH1220' ? 'asks for the same' : 'comes first and takes every such request'
    }${at}`,
    { severity: 'warning' },
  );
}

export function mergeEntries(routes: readonly Route[]): MergedEntries {
  const groups = new Map<string, Entry[]>();
  for (const entry of orderEntries(routes)) {
    const key = matchKey(entry.match);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [entry]);
    else group.push(entry);
  }
  const problems: Problem[] = [];
  const entries = [...groups.values()].flatMap((group): MergedEntry[] => {
    const [first, ...others] = group;
    if (first === undefined) return [];
    const sharing = first.route.share !== undefined && forwards(first) !== undefined;
    const joins = (entry: Entry): boolean =>
      sharing && entry.route !== first.route && entry.route.share !== undefined && forwards(entry) !== undefined;
    for (const other of others) if (!joins(other)) problems.push(loses('CH1220', { loser: other, winner: first }));
    const together = [first, ...others.filter(joins)];
    const merged = together.length > 1 ? mergedShares(together) : [];
    return [{ ...first, shares: merged.length > 0 ? merged : plainShares(first) }];
  });
  for (const shadow of shadows(entries)) problems.push(loses('CH1228', shadow));
  return { entries, problems };
}
