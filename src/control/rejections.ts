// The last refusals of proxies, each with the objects that the refused resources were made from, as they came in.
// What is refused now is told by refusals.ts. Invariant: bounded in count, in resources named with each, and in log lines.
import type { Clock } from '../util/clock.ts';
import type { Logger } from '../util/log.ts';
import { limitLog } from '../util/log-budget.ts';
import type { XdsEvent } from '../xds/contract.ts';
import type { OpenClient } from './clients.ts';
import type { Rejection } from './contract.ts';
import { blamed } from './ledger.ts';

export interface Rejections {
  /** Remembers and logs it. */
  take(event: Extract<XdsEvent, { kind: 'nack' }>, from: OpenClient): Rejection;
  /** Newest first. */
  readonly latest: readonly Rejection[];
}

const maxRejections = 200;
/** Resources named with one rejection: where a proxy names none, all of the response are suspect. */
const maxRejected = 20;

export function createRejections(log: Logger, clock: Clock): Rejections {
  const latest: Rejection[] = [];
  // A proxy that refuses everything can cause one line a round trip.
  const limited = limitLog(log, clock, { burst: 50, perSecond: 5 });

  return {
    latest,
    take(event, { client, open: { view } }) {
      const refs = blamed(event.type, event.resources.keys(), event.message);
      const rejection: Rejection = {
        node: client.nodeId,
        type: event.type,
        message: event.message,
        atMs: clock.wall(),
        resources: refs
          .slice(0, maxRejected)
          .map(({ type, name }) => ({ name, provenance: view.get(type, name)?.provenance ?? [] })),
      };
      latest.unshift(rejection);
      latest.length = Math.min(latest.length, maxRejections);
      const from = rejection.resources.flatMap(({ provenance }) =>
        provenance.map(({ object, file, line, column }) => `${object} (${file}:${line}:${column})`),
      );
      limited.error('a proxy refused configuration', {
        node: rejection.node,
        type: event.type,
        resources: rejection.resources.map(({ name }) => name),
        ...(refs.length > maxRejected ? { more: refs.length - maxRejected } : {}),
        from: [...new Set(from)],
        reason: event.message,
      });
      return rejection;
    },
  };
}
