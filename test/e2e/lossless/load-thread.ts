// The test's handle on the load's thread: names the chapter that requests count for, and asks for a chapter's report.
import { Worker } from 'node:worker_threads';
import type { Failure, LoadAnswer, LoadCommand, LoadPlan, LoadReport } from './load-plan.ts';

export interface RunningLoad extends AsyncDisposable {
  /** Requests due from now on count under this name. */
  label(name: string): void;
  /** What became of a chapter's requests; waits for those still running, so begin another chapter first. */
  report(name: string): Promise<LoadReport>;
  /** Failures told so far, oldest first, for the timeline. */
  failures(): readonly (Failure & { readonly label: string })[];
}

export async function startLoadThread(plan: LoadPlan): Promise<RunningLoad> {
  const worker = new Worker(new URL('./load-worker.ts', import.meta.url), { workerData: plan, execArgv: [] });
  const waiting = new Map<string, PromiseWithResolvers<LoadReport>>();
  const failures: (Failure & { label: string })[] = [];
  let fault: Error | undefined;
  const fail = (error: Error): void => {
    fault ??= error;
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  worker.on('error', fail);
  worker.once('exit', () => fail(new Error('the load has ended')));
  worker.on('message', (answer: LoadAnswer) => {
    if (answer.kind === 'failed') failures.push({ ...answer.failure, label: answer.label });
    else {
      waiting.get(answer.report.label)?.resolve(answer.report);
      waiting.delete(answer.report.label);
    }
  });
  await new Promise<void>((resolve, reject) => {
    worker.once('online', resolve);
    worker.once('error', reject);
  });
  const say = (command: LoadCommand): void => worker.postMessage(command);
  return {
    label: (name) => say({ kind: 'label', label: name }),
    async report(name) {
      if (fault !== undefined) throw fault;
      const asked = Promise.withResolvers<LoadReport>();
      waiting.set(name, asked);
      say({ kind: 'report', label: name });
      return asked.promise;
    },
    failures: () => failures,
    async [Symbol.asyncDispose]() {
      say({ kind: 'stop' });
      // What is still on its way counts nowhere, and may never be answered.
      await worker.terminate();
    },
  };
}
