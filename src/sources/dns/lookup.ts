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
  /** Parts that failed though others were answered, e.g. a target of an SRV record; by name. */
  readonly failedTargets: ReadonlyMap<string, string>;
  /** Shortest time to live of the answers, where the resolver gives it, in milliseconds. */
  readonly ttlMs?: number;
}

const none: ReadonlyMap<string, string> = new Map();

async function ask<T>(question: Promise<readonly T[]>): Promise<Answer<T>> {
  try {
    const records = await question;
    return records.length === 0 ? { kind: 'empty', exists: true } : { kind: 'records', records };
  } catch (error) {
    return answerOfError(error);
  }
}

/** Addresses of both families. A failed family counts only when the other has nothing either: many servers know no AAAA. */
async function addresses(
  resolver: DnsResolver,
  host: string,
  families: readonly (4 | 6)[],
): Promise<Answer<AddressRecord>> {
  const answers = await Promise.all(
    families.map((family) =>
      ask(family === 4 ? resolver.resolve4(host, { ttl: true }) : resolver.resolve6(host, { ttl: true })),
    ),
  );
  const records = answers.flatMap((answer) => (answer.kind === 'records' ? answer.records : []));
  if (records.length > 0) return { kind: 'records', records };
  return (
    answers.find(({ kind }) => kind === 'failed') ??
    answers.find((answer) => answer.kind === 'empty' && answer.exists) ??
    answers[0] ?? { kind: 'empty', exists: false }
  );
}

const ttlOf = (records: readonly AddressRecord[]): { ttlMs?: number } =>
  records.length === 0 ? {} : { ttlMs: Math.min(...records.map(({ ttl }) => ttl)) * 1000 };

export async function lookUp(resolver: DnsResolver, service: DnsService): Promise<Lookup> {
  if (service.type !== 'SRV') {
    const answer = await addresses(resolver, service.host, service.type === 'A' ? [4, 6] : [6]);
    if (answer.kind !== 'records') return { answer, failedTargets: none };
    const port = service.port ?? 0;
    const records = answer.records.map(({ address }): Endpoint => ({ address, port, weight: 1 }));
    return { answer: { kind: 'records', records }, failedTargets: none, ...ttlOf(answer.records) };
  }
  const answer = await ask(resolver.resolveSrv(service.host));
  if (answer.kind !== 'records') return { answer, failedTargets: none };
  const used = preferred(answer.records);
  const largest = Math.max(0, ...used.map(({ weight }) => weight));
  const names = [...new Set(used.map(({ name }) => name))];
  const targets = new Map(
    await Promise.all(names.map(async (name) => [name, await addresses(resolver, name, [4, 6])] as const)),
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
  return { answer: whole, failedTargets, ...ttlOf(found) };
}
