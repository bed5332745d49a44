// The audit log of the HTTP API: one line for everything that was asked to change, what came of it, and nothing of its body.
// It must not know routes. Invariant: what was done always has its line; only lines about what was refused are bounded, so
// that strangers cannot flood the log.
import type { Asker } from '../model/access.ts';
import type { Clock } from '../util/clock.ts';
import type { LogFields, Logger } from '../util/log.ts';
import { limitLog } from '../util/log-budget.ts';

export interface AuditedRequest {
  readonly asker: Asker;
  readonly method: string;
  /** As the route is written, never with its parameters. */
  readonly path: string;
  readonly status: number;
  readonly address: string;
  /** What it was about: names and ids. */
  readonly about: LogFields;
}

export function createAudit(log: Logger, clock: Clock): (request: AuditedRequest) => void {
  const audit = log.child('audit');
  const refused = limitLog(audit, clock, { burst: 100, perSecond: 5 });
  return ({ asker, about, ...request }) => {
    const who = asker.kind === 'role' ? { who: asker.name, role: asker.role } : { who: 'nobody' };
    const to = request.status < 400 ? audit : refused;
    to.info('a change was asked for', { ...who, ...request, ...about });
  };
}
