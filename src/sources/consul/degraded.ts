// What the state of all queries together says about the registry, as one word and one reason. Pure.
// It must not know what the queries ask. Precedence: unreachable, then suspect, then partial: a doubt about everything
// outweighs the certainty that something is missing.
import type { Degraded } from '../../model/snapshot.ts';
import { errorText } from '../../util/errors.ts';
import type { BlockingQuery } from './blocking-query.ts';

type State = Pick<BlockingQuery, 'trust' | 'failure' | 'last'>;

export interface DegradedInput {
  /** The query without which nothing else can be known: the list of services, or the prefix of objects. */
  readonly list: State;
  readonly services: readonly State[];
  /** Names of which rows could not be read. */
  readonly torn: readonly string[];
}

export function degradedBy({ list, services, torn }: DegradedInput): Degraded | undefined {
  if (list.failure !== undefined) return { kind: 'unreachable', reason: errorText(list.failure) };
  const all = [list, ...services];
  if (all.some(({ trust }) => trust === 'doubted')) {
    return { kind: 'suspect', reason: 'first answers after a reconnect or restart, not confirmed yet' };
  }
  const failed = services.find(({ failure }) => failure !== undefined)?.failure;
  if (failed !== undefined) return { kind: 'partial', reason: errorText(failed) };
  const some = (test: (answer: NonNullable<State['last']>) => boolean): boolean =>
    all.some(({ last }) => last !== undefined && test(last));
  if (some(({ filtered }) => filtered)) return { kind: 'partial', reason: 'answers are filtered by ACLs' };
  if (some(({ leaderless }) => leaderless)) return { kind: 'partial', reason: 'the registry knows no leader' };
  if (some(({ index }) => index === undefined)) {
    return { kind: 'partial', reason: 'answers carry no X-Consul-Index, so changes are seen late' };
  }
  if (torn.length > 0) return { kind: 'partial', reason: `entries of "${torn[0]}" cannot be read` };
  return undefined;
}
