// One look-up of one service: its addresses, by A and AAAA or by SRV and then the targets' addresses.
// It must not remember anything. Invariant: a failure of a part is told as a failure, never as an empty answer.
import {
  type AddressRecord,
  type Answer,
  answerOfError,
  type Endpoint,
  preferred,
  type SrvRecord,
  srvWeight,
} from './dns-answers.ts';

/** What is needed of a resolver; `node:dns/promises` Resolver has it. Rejects with Node's codes (`ENOTFOUND`, `ESERVFAIL`...). */
export interface DnsResolver {
  resolve4(host: string, options: { readonly ttl: true }): Promise<readonly AddressRecord[]>;
  resolve6(host: string, options: { readonly ttl: true }): Promise<readonly AddressRecord[]>;
  resolveSrv(host: string): Promise<readonly SrvRecord[]>;
  cancel(): void;
}

export interface DnsService {
  /** The service's name in the mesh. */
  readonly name: string;
  /** The name to look up. */
  readonly host: string;
  /** `A` takes IPv6 addresses too, `AAAA` only those. */
  readonly type: 'A' | 'AAAA' | 'SRV';
  /** For A and AAAA; SRV records bring their own. */
  readonly port?: number;
}

export interface Lookup {
  readonly answer: Answer<Endpoint>;
  /** Targets of SRV records of which nothing is known, with the reason. */
  readonly failedTargets: ReadonlyMap<string, string>;
  /** Names that do not exist: the host itself, or targets of its SRV records. */
  readonly absent: readonly string[];
  /** Why there is no knowledge of a host's addresses of a family, by `questionOf(host, family)`. */
  readonly unanswered: ReadonlyMap<string, string>;
  /** Shortest time to live of the answers, where the resolver gives it, in milliseconds. */
  readonly ttlMs?: number;
}

const none: ReadonlyMap<string, string> = new Map();

export type Family = 4 | 6;

/** The question an address answers, for `Lookup.unanswered`. */
export function questionOf(host: string, address: string | Family): string {
  const family = typeof address === 'number' ? address : address.includes(':') ? 6 : 4;
  return `${host}/${family}`;
}

async function ask<T>(question: Promise<readonly T[]>): Promise<Answer<T>> {
  try {
    const records = await question;
    return records.length === 0 ? { kind: 'empty', exists: true } : { kind: 'records', records };
  } catch (error) {
    return answerOfError(error);
  }
}

/** A family that fails while the other has addresses is no failure by itself: many servers know no AAAA. */
async function addresses(
  resolver: DnsResolver,
  host: string,
  { families, unanswered }: { readonly families: readonly Family[]; readonly unanswered: Map<string, string> },
): Promise<Answer<AddressRecord>> {
  const answers = await Promise.all(
    families.map(async (family) => {
      const answer = await ask(
        family === 4 ? resolver.resolve4(host, { ttl: true }) : resolver.resolve6(host, { ttl: true }),
      );
      if (answer.kind === 'failed') unanswered.set(questionOf(host, family), answer.reason);
      return answer;
    }),
  );
  const records = answers.flatMap((answer) => (answer.kind === 'records' ? answer.records : []));
  if (records.length > 0) return { kind: 'records', records };
  return (
    answers.find(({ kind }) => kind === 'failed') ??
    answers.find((answer) => answer.kind === 'empty' && answer.exists) ??
    answers[0] ?? { kind: 'empty', exists: false }
  );
}

function absentOf(answer: Answer<unknown>, name: string): readonly string[] {
  return answer.kind === 'empty' && !answer.exists ? [name] : [];
}

const ttlOf = (records: readonly AddressRecord[]): { ttlMs?: number } =>
  records.length === 0 ? {} : { ttlMs: Math.min(...records.map(({ ttl }) => ttl)) * 1000 };

export async function lookUp(resolver: DnsResolver, service: DnsService): Promise<Lookup> {
  const unanswered = new Map<string, string>();
  if (service.type !== 'SRV') {
    const families: readonly Family[] = service.type === 'A' ? [4, 6] : [6];
    const answer = await addresses(resolver, service.host, { families, unanswered });
    if (answer.kind !== 'records')
      return { answer, failedTargets: none, unanswered, absent: absentOf(answer, service.host) };
    const port = service.port ?? 0;
    const records = answer.records.map(({ address }): Endpoint => ({ address, port, weight: 1 }));
    return {
      answer: { kind: 'records', records },
      failedTargets: none,
      unanswered,
      absent: [],
      ...ttlOf(answer.records),
    };
  }
  const answer = await ask(resolver.resolveSrv(service.host));
  if (answer.kind !== 'records')
    return { answer, failedTargets: none, unanswered, absent: absentOf(answer, service.host) };
  const used = preferred(answer.records);
  const largest = Math.max(0, ...used.map(({ weight }) => weight));
  const names = [...new Set(used.map(({ name }) => name))];
  const ask46 = { families: [4, 6] as const, unanswered };
  const targets = new Map(
    await Promise.all(names.map(async (name) => [name, await addresses(resolver, name, ask46)] as const)),
  );
  const failedTargets = new Map<string, string>();
  const records: Endpoint[] = [];
  const found: AddressRecord[] = [];
  for (const { name, port, weight } of used) {
    const target = targets.get(name);
    if (target?.kind === 'failed') failedTargets.set(name, target.reason);
    if (target?.kind !== 'records') continue;
    found.push(...target.records);
    for (const { address } of target.records)
      records.push({ address, port, weight: srvWeight(weight, largest), target: name });
  }
  const whole: Answer<Endpoint> = records.length === 0 ? { kind: 'empty', exists: true } : { kind: 'records', records };
  const absent = [...targets].flatMap(([name, target]) => absentOf(target, name));
  return { answer: whole, failedTargets, unanswered, absent, ...ttlOf(found) };
}
