// One signing thread as the main thread sees it. It must not restart it, nor know what waits.
// Invariant: it keeps the process alive only while it was asked something.
import { Worker } from 'node:worker_threads';
import { errorText } from '../util/errors.ts';
import type { SigningAnswer, SigningTask } from './signing.ts';

export interface Signer {
  post(task: SigningTask): void;
  /** Whether the process has to wait for it. */
  hold(held: boolean): void;
  /** Resolves with why, when the thread is gone. */
  readonly ended: Promise<string>;
  kill(): void;
}

export type StartSigner = (name: string, onAnswers: (answers: readonly SigningAnswer[]) => void) => Signer;

/** Starts it at once. `name` is for people: debuggers and process lists show it. */
export const startSigner: StartSigner = (name, onAnswers) => {
  // Built code has the ending of built code.
  const program = `./signing-thread.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`;
  const worker = new Worker(new URL(program, import.meta.url), { name });
  worker.unref();
  const ended = Promise.withResolvers<string>();
  let failure: string | undefined;
  worker.on('message', onAnswers);
  worker.on('error', (error) => {
    failure = errorText(error);
  });
  worker.once('exit', (code) => ended.resolve(failure ?? `it exited with ${code}`));
  return {
    // A key object is shared with the thread, not written out.
    post: (task) => worker.postMessage(task),
    hold: (held) => (held ? worker.ref() : worker.unref()),
    ended: ended.promise,
    kill: () => void worker.terminate(),
  };
};
