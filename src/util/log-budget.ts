// A Logger that cannot be made to flood: lines beyond a budget are counted, and the next line that fits says how many.
// For lines that others can cause at will: clients that reconnect in a loop, or refuse everything.
import type { Clock } from './clock.ts';
import type { LogFields, Logger } from './log.ts';

export interface LogBudget {
  readonly burst: number;
  readonly perSecond: number;
}

/** Wraps `log`; its children and `debug`, which someone asked for, are not limited. A line after others were left out carries `leftOut`, their number. */
export function limitLog(log: Logger, clock: Clock, budget: LogBudget): Logger {
  let tokens = budget.burst;
  let atMs = clock.now();
  let leftOut = 0;
  const limited =
    (level: 'info' | 'warn' | 'error') =>
    (message: string, fields?: LogFields): void => {
      const now = clock.now();
      tokens = Math.min(budget.burst, tokens + ((now - atMs) / 1000) * budget.perSecond);
      atMs = now;
      if (tokens < 1) {
        leftOut++;
        return;
      }
      tokens--;
      log[level](message, leftOut === 0 ? fields : { ...fields, leftOut });
      leftOut = 0;
    };
  return {
    debug: (message, fields) => log.debug(message, fields),
    info: limited('info'),
    warn: limited('warn'),
    error: limited('error'),
    child: (component) => log.child(component),
  };
}
