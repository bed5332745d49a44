// The load client as a child process, and its commands as calls.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Answer, CommandName, Commands } from './client-commands.ts';

export interface LoadClient extends Disposable {
  ask<N extends CommandName>(name: N, ask: Commands[N]['ask']): Promise<Commands[N]['answer']>;
}

/** It ends with this process, or when disposed. */
export function startClient(): LoadClient {
  const child = fork(fileURLToPath(new URL('./client.ts', import.meta.url)), { serialization: 'advanced' });
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (reason: Error) => void }>();
  let next = 1;
  child.on('message', ({ id, answer, error }: Answer) => {
    const call = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) call?.resolve(answer as never);
    else call?.reject(new Error(`load client: ${error}`));
  });
  child.on('exit', (code) => {
    for (const { reject } of waiting.values()) reject(new Error(`the load client ended with ${code}`));
    waiting.clear();
  });
  return {
    ask: (name, ask) =>
      new Promise((resolve, reject) => {
        waiting.set(next, { resolve, reject });
        child.send({ id: next++, name, ask });
      }),
    [Symbol.dispose]: () => child.disconnect(),
  };
}
