// A third-party gRPC client with xDS as a process of its own, told over HTTP what to call.
// Invariant: it knows of the control plane what its bootstrap says, and ends with its test.
import { fileURLToPath } from 'node:url';
import type { ClientAnswer, ClientCommand } from '../clients/command.ts';
import { eventually } from './eventually.ts';
import { type RunningProcess, startProcess } from './process.ts';

export interface GrpcClient extends AsyncDisposable {
  /** Calls `target`; by default `/test.Who/Ask` once, with two seconds of patience. */
  call(target: string, options?: Partial<Extract<ClientCommand, { do: 'call' }>>): Promise<ClientAnswer>;
  close(target: string): Promise<void>;
  serve(address: string, name: string): Promise<void>;
  readonly process: RunningProcess;
}

const jsClient = fileURLToPath(new URL('../clients/grpc-js/client.ts', import.meta.url));

/** `program`: how grpc-go's is started; without, grpc-js's. `bootstrap`: JSON. */
export async function startGrpcClient(bootstrap: string, program?: string): Promise<GrpcClient> {
  const command = program === undefined ? ([process.execPath, jsClient] as const) : ([program] as const);
  const running = await startProcess('gRPC client', command, {
    env: { ...process.env, GRPC_XDS_BOOTSTRAP_CONFIG: bootstrap, GRPC_GO_LOG_SEVERITY_LEVEL: 'warning' },
  });
  const port = await eventually(() => {
    if (running.exit() !== undefined) throw new Error(`the client ended:\n${running.logs()}`);
    return /^control (\d+)$/m.exec(running.logs())?.[1];
  });
  const tell = async (command: ClientCommand): Promise<ClientAnswer> => {
    const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: JSON.stringify(command) });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`the client says: ${text}\n${running.logs()}`);
    return JSON.parse(text) as ClientAnswer;
  };
  return {
    process: running,
    call: (target, options = {}) =>
      tell({
        ...{ do: 'call', target, method: '/test.Who/Ask', headers: {}, count: 1, deadlineMs: 2000, idleMs: 0 },
        ...options,
      }),
    close: async (target) => void (await tell({ do: 'close', target })),
    serve: async (address, name) => void (await tell({ do: 'serve', address, name })),
    [Symbol.asyncDispose]: () => running.stop(),
  };
}
