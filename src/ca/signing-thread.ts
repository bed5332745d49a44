// The program of a thread that makes keys and signs. The main thread starts it (signer.ts) and asks; it decides nothing.
// It must not know the time, files or the network. Invariant: it answers every order of a task, in one message.
import { parentPort } from 'node:worker_threads';
import { answersTo, type SigningTask } from './signing.ts';
import type { Issuer } from './x509.ts';

const port = parentPort;
if (port === null) throw new Error('this is the program of a signing thread, not one to run');
let current: Issuer | undefined;

port.on('message', ({ issuer, orders }: SigningTask) => {
  current = issuer ?? current;
  if (current === undefined) throw new Error('the first task brings the issuer');
  const { answers, moved } = answersTo(current, orders);
  port.postMessage(answers, [...moved]);
});
