// The service-intentions of a Consul, followed by one blocking query, and which of its answers are believed.
// It must not know what intentions mean. Invariant: what is missing from an answer opens nothing: an answer that ACLs cut
// short is a failure, and one that is doubted (the first after an outage, an index gone backwards) waits until another
// agrees; the last that was believed stays in force meanwhile.
import { isDeepStrictEqual } from 'node:util';
import { createProblem, type Problem } from '../../model/problem.ts';
import { type Answer, unreadable } from '../../util/consul/answer.ts';
import { AppError, errorText } from '../../util/errors.ts';
import type { BlockingQuery } from './blocking-query.ts';
import { type IntentionContext, type ParsedIntentions, parseIntentions } from './intention-entries.ts';
import { ShapeError } from './json-reader.ts';

export interface IntentionsFollower {
  readonly query: BlockingQuery;
  /** The last that was believed; undefined before the first. */
  current(): ParsedIntentions | undefined;
  /** Why nothing new is known. */
  problems(): readonly Problem[];
}

const what = 'config/service-intentions';

export function createIntentionsFollower(
  context: IntentionContext,
  follow: (what: string, path: string, take: (answer: Answer) => boolean) => BlockingQuery,
): IntentionsFollower {
  let latest: ParsedIntentions | undefined;
  let believed: ParsedIntentions | undefined;

  function take(answer: Answer): boolean {
    if (answer.filtered) throw new AppError('CH1325', `${what}: the token may not read all of them`);
    if (answer.leaderless) throw unreadable(what, 'the server that answered knows no leader');
    if (!Array.isArray(answer.body)) throw unreadable(what, 'the answer is not a list');
    const read = parsed(answer.body);
    if (isDeepStrictEqual(read, latest)) return false;
    latest = read;
    return true;
  }

  function parsed(body: readonly unknown[]): ParsedIntentions {
    try {
      return parseIntentions(body, context);
    } catch (error) {
      if (error instanceof ShapeError) throw unreadable(what, error.message);
      throw error;
    }
  }

  const query = follow(what, '/config/service-intentions', take);
  return {
    query,
    current() {
      if (query.trust === 'good') believed = latest;
      return believed;
    },
    problems() {
      if (query.failure === undefined) return [];
      const at = { source: context.source, file: '', line: 1, column: 1, object: 'consul intentions' };
      return [createProblem('CH1325', at, errorText(query.failure), { severity: 'warning' })];
    },
  };
}
