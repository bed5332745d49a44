// The program of a worker thread: an xDS server over a mirror of the views. The main thread starts it (worker-thread.ts).
// Like main.ts it is an entry: it takes the real clock and runs when it is loaded. It decides nothing.
// Invariant: whatever ends it, what it had said before has been sent.
import { parentPort, workerData } from 'node:worker_threads';
import type { Asker } from '../../model/access.ts';
import type { Caller, Credentials, Unknown } from '../../model/principal.ts';
import type { Resource } from '../../resources/resource.ts';
import { AppError, errorText } from '../../util/errors.ts';
import { createSeededRandom } from '../../util/random.ts';
import { createSystemClock } from '../../util/system-clock.ts';
import type { ClientConfig, DoorReply, DoorRequest } from '../contract.ts';
import { createXdsServer } from '../grpc/server.ts';
import { createTeller, maxBacklog } from './backlog.ts';
import { createMirror } from './mirror.ts';
import { createQuestions } from './questions.ts';
import { createReporter } from './reporter.ts';
import type { Answer, Question, ToWorkerList, WorkerSetup } from './thread-messages.ts';

const port = parentPort;
if (port === null) throw new Error('this is the program of a worker thread, not one to run');
const { identifier, options, seed, backlog, reflection, rest, asks } = workerData as WorkerSetup;

const reporter = createReporter({
  send: (list) => port.postMessage(list),
  atEnd: setImmediate,
  pace: createTeller(backlog, maxBacklog),
});
const mirror = createMirror(reporter.say);
const questions = createQuestions<Answer>();

async function ask(question: Question): Promise<Answer> {
  const answer = await questions.ask((number) => reporter.say({ kind: 'ask', ask: number, question }));
  if (answer.kind === 'failed') throw new Error(answer.message);
  return answer;
}

async function authenticate(credentials: Credentials): Promise<Caller> {
  const answer = await ask({ kind: 'caller', credentials });
  if (answer.kind !== 'caller') throw new Error('this answers another question');
  return answer.caller;
}

async function askerOf(credentials: Credentials): Promise<Asker | Unknown> {
  const answer = await ask({ kind: 'asker', credentials });
  if (answer.kind !== 'asker') throw new Error('this answers another question');
  return answer.asker;
}

const revokedListeners = new Set<(credentialIds: ReadonlySet<string>) => void>();
function onRevoked(listener: (credentialIds: ReadonlySet<string>) => void): () => void {
  revokedListeners.add(listener);
  return () => revokedListeners.delete(listener);
}

const server = createXdsServer(
  {
    clock: createSystemClock(),
    random: createSeededRandom(seed),
    log: reporter.log,
    metrics: reporter.metrics,
    provider: asks ? { ...mirror, authenticate, onRevoked } : mirror,
    ...(asks ? { askerOf } : {}),
    onEvent: reporter.onEvent,
    identifier,
    async everyClient(matchers): Promise<readonly ClientConfig[]> {
      const answer = await ask({ kind: 'clients', matchers });
      return answer.kind === 'clients' ? answer.clients : [];
    },
    ...(reflection
      ? {
          async descriptors(): Promise<Uint8Array> {
            const answer = await ask({ kind: 'descriptors' });
            return answer.kind === 'descriptors' ? answer.bytes : new Uint8Array();
          },
        }
      : {}),
    ...(rest
      ? {
          async json(resource: Resource): Promise<string> {
            const answer = await ask({ kind: 'json', resource });
            return answer.kind === 'json' ? answer.text : '{}';
          },
          async doors(request: DoorRequest): Promise<DoorReply | undefined> {
            const answer = await ask({ kind: 'door', request });
            return answer.kind === 'door' ? answer.reply : undefined;
          },
        }
      : {}),
  },
  options,
);

const stopping = new AbortController();
port.on('message', ({ list, messages }: ToWorkerList) => {
  reporter.taken(list);
  for (const message of messages) {
    if (message.kind === 'stop') stopping.abort();
    else if (message.kind === 'answer') questions.answer(message.ask, message.answer);
    else if (message.kind === 'revoked') {
      const ids = new Set(message.credentialIds);
      for (const listener of revokedListeners) listener(ids);
    } else if (message.kind === 'describe') {
      const { ask: number, matchers } = message;
      void server.clients(matchers).then((clients) => reporter.say({ kind: 'described', ask: number, clients }));
    } else mirror.take(message);
  }
});
void server.listening.then(
  ({ address, port: bound }) => reporter.say({ kind: 'listening', address, port: bound }),
  () => {},
);
try {
  await server.run(stopping.signal);
} catch (error) {
  const code = error instanceof AppError ? error.code : undefined;
  reporter.say({ kind: 'failed', code, message: errorText(error).replace(/^\[\w+\] /, '') });
}
reporter.flush();
// Timers of a library may linger; everything that mattered has stopped.
process.exit();
