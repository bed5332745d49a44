// The intentions of one registry, for one service, as an Authorization: of each caller the one that decides, an exact
// destination before `*`, an exact source before `*`. Pure. Invariant: never lets in more than the intentions do; whoever
// shows no certificate is refused where any of them speaks, for an intention is about callers with a name.
// Source: Consul docs, "Service intentions", Precedence: source is compared within a destination, so that `* -> api` comes
// before `web -> *`.
import type { AccessRule, Authorization, Caller, Operation } from './authorization.ts';
import type { IntentionEntry, IntentionPlan, IntentionSource, Intentions } from './intentions.ts';
import { defaultNamespace, type ServiceId, serviceId } from './names.ts';
import type { Provenance } from './provenance.ts';
import { connectGateway } from './spiffe.ts';

export interface KnownCallers {
  readonly services: Iterable<ServiceId>;
  readonly gateways: Iterable<string>;
}

export interface IntentionGround {
  readonly intentions: Intentions;
  /** Name of the registry. */
  readonly source: string;
  /** Everybody that is known; asked only where "everybody but these" has to be a list. */
  readonly known: KnownCallers;
}

/** Undefined: no intention speaks of the service, and what none speaks of is allowed. */
export function compileIntentions(
  service: ServiceId,
  { intentions, source, known }: IntentionGround,
): Authorization | undefined {
  const { entries, fallback } = intentions;
  const own = entries.get(service.toLowerCase());
  const wild = entries.get('*');
  if (own === undefined && wild === undefined && fallback === 'allow') return undefined;
  const provenance = (own ?? wild)?.provenance ?? {
    source,
    file: '',
    line: 1,
    column: 1,
    object: `consul intention * -> ${service}`,
  };
  const base = {
    namespace: intentionsOf(source),
    name: service.replace('|', '/'),
    service,
    mode: 'enforce',
    provenance,
  } as const;
  const governing = [own, wild].slice(0, namesEverybody(own) ? 1 : 2).filter((entry) => entry !== undefined);
  if (governing.some(({ closed }) => closed)) return { ...base, allow: [], deny: [{ index: 0, to: [], provenance }] };
  return { ...base, ...rulesOf(governing, { fallback, known, provenance }) };
}

/** Stands for a namespace. No object can have one with a colon, so no rule of one is taken for a rule of the other. */
export function intentionsOf(source: string): string {
  return `intentions:${source}`;
}

function namesEverybody(entry: IntentionEntry | undefined): boolean {
  return entry?.sources.some(({ name }) => name === '*') ?? false;
}

interface Speaking {
  readonly fallback: Intentions['fallback'];
  readonly known: KnownCallers;
  readonly provenance: Provenance;
}

function rulesOf(
  entries: readonly IntentionEntry[],
  { fallback, known, provenance }: Speaking,
): Pick<Authorization, 'allow' | 'deny'> {
  const named = new Map<string, IntentionSource>();
  for (const one of entries.flatMap(({ sources }) => sources)) if (!named.has(one.name)) named.set(one.name, one);
  const everybody = named.get('*');
  named.delete('*');
  const rest: IntentionPlan = everybody?.plan ?? { open: fallback === 'allow', allow: [], deny: [] };
  const each = [...named.values()];

  const allow: Written[] = [];
  const deny: Written[] = [];
  const refused = entries.flatMap((entry) => entry.refused.map((name) => callerOf(name, entry.provenance)));
  const closed = each.filter(({ plan }) => !letsIn(plan)).map(caller);
  if (refused.length + closed.length > 0) deny.push({ from: [...refused, ...closed], to: [], provenance });
  const open = each.filter(({ plan }) => plan.open).map(caller);
  if (open.length > 0) allow.push({ from: open, to: [], provenance });
  for (const one of each) {
    const { plan } = one;
    if (plan.deny.length > 0) deny.push({ from: [caller(one)], to: plan.deny, provenance: one.provenance });
    if (!plan.open && plan.allow.length > 0)
      allow.push({ from: [caller(one)], to: plan.allow, provenance: one.provenance });
  }

  // Rules have no "but": where a rule for everybody would reach a caller that another intention decides on, it is
  // written for everybody else who is known, by name.
  const reaches = each.some(({ plan }) => letsIn(plan) && (rest.deny.length > 0 || (letsIn(rest) && !plan.open)));
  const at = everybody?.provenance ?? provenance;
  const others: readonly Caller[] = reaches ? otherCallers(known, named, at) : [{ kind: 'anyone' }];
  if (letsIn(rest)) allow.push({ from: others, to: rest.open ? [] : rest.allow, provenance: at });
  if (rest.deny.length > 0) deny.push({ from: others, to: rest.deny, provenance: at });
  // Without an allow rule everybody would be let in.
  if (allow.length === 0) allow.push({ from: [], to: [], provenance });
  return { allow: allow.map(numbered), deny: deny.map(numbered) };
}

interface Written {
  readonly from: readonly Caller[];
  readonly to: readonly Operation[];
  readonly provenance: Provenance;
}

function numbered(rule: Written, index: number): AccessRule {
  return { index, ...rule };
}

function letsIn({ open, allow }: IntentionPlan): boolean {
  return open || allow.length > 0;
}

function caller({ name, provenance }: IntentionSource): Caller {
  return callerOf(name, provenance);
}

/** Gateways go by the name that they have in Connect. */
function callerOf(name: string, provenance: Provenance): Caller {
  if (name === '*') return { kind: 'anyone' };
  if (name.startsWith(connectGateway))
    return { kind: 'gateway', gateway: name.slice(connectGateway.length), provenance };
  return { kind: 'service', service: serviceId(defaultNamespace, name), provenance };
}

function otherCallers(known: KnownCallers, named: ReadonlyMap<string, unknown>, provenance: Provenance): Caller[] {
  return [
    ...[...known.services]
      .filter((service) => !named.has(service))
      .map((service) => ({ kind: 'service', service, provenance }) as const),
    ...[...known.gateways]
      .filter((gateway) => !named.has(connectGateway + gateway))
      .map((gateway) => ({ kind: 'gateway', gateway, provenance }) as const),
  ];
}
