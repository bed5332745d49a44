// What a process of Node holds once garbage is collected: resident memory says when V8 last collected, not what is kept.
import type { RunningProcess } from './process.ts';

/** To be given to the process: its inspector listens on a port of its own on loopback. */
export const inspectorFlags: readonly string[] = ['--inspect=127.0.0.1:0'];

/**
 * Megabytes alive on the heap and outside of it (Buffers, native handles) after a full collection, asked of the process's
 * inspector (`inspectorFlags`). Source: Chrome DevTools Protocol, HeapProfiler.collectGarbage and Runtime.evaluate.
 */
export async function liveMb(process: RunningProcess): Promise<number> {
  const url = /Debugger listening on (ws:\S+)/.exec(process.logs())?.[1];
  if (url === undefined) throw new Error(`${process.name} has no inspector; start it with inspectorFlags`);
  const socket = new WebSocket(url);
  try {
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve, { once: true });
      socket.addEventListener('error', () => reject(new Error(`no inspector at ${url}`)), { once: true });
    });
    const ask = async (id: number, method: string, params = {}): Promise<unknown> => {
      const answered = new Promise<unknown>((resolve, reject) => {
        const listen = (event: MessageEvent): void => {
          const answer = JSON.parse(String(event.data)) as { id?: number; result?: unknown };
          if (answer.id !== id) return;
          socket.removeEventListener('message', listen);
          resolve(answer.result);
        };
        socket.addEventListener('message', listen);
        socket.addEventListener('close', () => reject(new Error('the inspector went away')), { once: true });
      });
      socket.send(JSON.stringify({ id, method, params }));
      return await answered;
    };
    await ask(1, 'HeapProfiler.collectGarbage');
    const expression = '(({ heapUsed, external }) => heapUsed + external)(process.memoryUsage())';
    const { result } = (await ask(2, 'Runtime.evaluate', { expression })) as { result: { value: number } };
    return result.value / 1024 / 1024;
  } finally {
    socket.close();
  }
}
