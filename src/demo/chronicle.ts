// Tells what changes as it changes: the change, then, when it is quiet, the problems that are still there, and who
// acknowledged it and how fast, as one line. It knows control's events only. Invariant: an acknowledgement is told with the
// revision it belongs to.
import type { ControlEvent } from '../control/contract.ts';
import { type Problem, problemText } from '../model/problem.ts';
import type { Clock, Timer } from '../util/clock.ts';

const quietMs = 150;

export interface Chronicle {
  take(event: ControlEvent): void;
  /** Nothing is told until the first call of `begin`. */
  begin(): void;
  /** Nothing is told after it. */
  end(): void;
}

/** `stands`: whether it is a problem still. A registry tells of an instance and its sidecar one after the other. */
export function createChronicle(
  clock: Clock,
  say: (line: string) => void,
  stands: (problem: Problem) => boolean,
): Chronicle {
  let problems: Problem[] = [];
  const acks = new Map<number, Map<string, number>>();
  let timer: Timer | undefined;
  let telling = false;

  const tellSettled = (): void => {
    for (const problem of problems) if (stands(problem)) say(`  ${problem.severity} ${problemText(problem)}`);
    problems = [];
    for (const [revision, nodes] of acks) {
      const list = [...nodes].sort(([a], [b]) => (a < b ? -1 : 1)).map(([node, ms]) => `${node} ${ms.toFixed(1)} ms`);
      say(`  ${revision} acknowledged by ${list.join(', ')}`);
    }
    acks.clear();
  };
  const tellWhenQuiet = (): void => {
    timer?.cancel();
    timer = clock.after(quietMs, tellSettled);
  };

  return {
    begin() {
      acks.clear();
      telling = true;
    },
    end() {
      timer?.cancel();
      telling = false;
    },
    take(event) {
      if (!telling) return;
      switch (event.kind) {
        case 'world':
          return say(`change ${event.revision}: ${event.changes.join('; ') || 'nothing that a proxy sees'}`);
        case 'acked': {
          const nodes = acks.get(event.revision) ?? new Map<string, number>();
          nodes.set(event.node, event.afterMs);
          acks.set(event.revision, nodes);
          return tellWhenQuiet();
        }
        case 'rejected':
          return say(`  ${event.rejection.node} REFUSED ${event.rejection.type}: ${event.rejection.message}`);
        case 'problem':
          problems.push(event.problem);
          return tellWhenQuiet();
        case 'proxy':
          return event.state === 'offline' ? say(`  ${event.node} is offline`) : undefined;
        case 'source':
          return event.state.degraded === undefined
            ? undefined
            : say(`  ${event.state.name}: ${event.state.degraded.reason}`);
      }
    },
  };
}
