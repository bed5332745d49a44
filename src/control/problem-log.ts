// Tells of each problem once while it stands: a line in the log and an event.
// Invariant: what no longer stands is forgotten, so that it is told again if it comes back, and nothing piles up.
import { type Problem, problemText } from '../model/problem.ts';
import type { Logger } from '../util/log.ts';

export interface ProblemLog {
  /** Some of the problems that stand. */
  add(problems: readonly Problem[]): void;
  /** All of them. */
  all(problems: readonly Problem[]): void;
}

export function createProblemLog(log: Logger, tell: (problem: Problem) => void): ProblemLog {
  const known = new Set<string>();

  function add(problems: readonly Problem[]): void {
    for (const problem of problems) {
      const text = problemText(problem);
      if (known.has(text)) continue;
      known.add(text);
      log[problem.severity === 'error' ? 'error' : 'warn'](text, { code: problem.code });
      tell(problem);
    }
  }

  return {
    add,
    all(problems) {
      add(problems);
      const standing = new Set(problems.map(problemText));
      for (const text of known) if (!standing.has(text)) known.delete(text);
    },
  };
}
