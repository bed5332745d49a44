// A Connect of Consul's form without a Consul: real certificates by the openssl command, answers as an agent gives them, and
// every fault a test asks for. It must not know who asks.
import { readFileSync } from 'node:fs';
import type { Answer } from '../../src/util/consul/answer.ts';
import type { ReadOptions } from '../../src/util/consul/client.ts';
import { type MadeAuthority, type MakeOptions, makeAuthority } from './given-authority.ts';

export const connectDomain = '3a18741e-e845-0a05-772b-9cff53cbaa41.consul';
export const connectPrefix = `spiffe://${connectDomain}/ns/default/dc/dc1/svc/`;

export interface FakeConnect {
  /** The active one first. */
  roots: MadeAuthority[];
  /** Of the leaf that is given next: what differs from a good one. */
  leaf: MakeOptions & { readonly key?: MadeAuthority; readonly between?: readonly MadeAuthority[] };
  /** What requests for a path that begins so fail with. */
  failure: { readonly path: string; readonly error: Error } | undefined;
  /** What is answered instead. */
  instead: ((path: string, body: unknown) => unknown) | undefined;
  /** Paths, `{name}` filled in. */
  readonly asked: string[];
  /** Another authority takes over, and has itself signed by the former. Wakes who waits. */
  rotate(): void;
  read(options: ReadOptions, signal: AbortSignal): Promise<Answer>;
  close(): void;
}

export function createFakeConnect(directory: string): FakeConnect {
  let count = 0;
  let index = 7;
  let waiters: (() => void)[] = [];
  const newRoot = (): MadeAuthority =>
    makeAuthority(directory, `connect${++count}`, { uri: `spiffe://${connectDomain}` });
  let cross: MadeAuthority | undefined;
  const connect: FakeConnect = {
    roots: [newRoot()],
    leaf: {},
    failure: undefined,
    instead: undefined,
    asked: [],
    rotate() {
      const [former] = connect.roots;
      const next = newRoot();
      if (former !== undefined)
        cross = makeAuthority(directory, `cross${count}`, {
          keyOf: next,
          issuer: former,
          uri: `spiffe://${connectDomain}`,
        });
      connect.roots = [next, ...connect.roots];
      index++;
      for (const wake of waiters) wake();
      waiters = [];
    },
    async read({ path, params, blocking }, signal) {
      const { name = '' } = params ?? {};
      const whole = path.replace('{name}', name);
      connect.asked.push(whole);
      if (connect.failure !== undefined && path.startsWith(connect.failure.path)) throw connect.failure.error;
      if (blocking !== undefined && blocking.index >= index)
        await new Promise<void>((resolve, reject) => {
          waiters.push(resolve);
          signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
        });
      if (connect.failure !== undefined && path.startsWith(connect.failure.path)) throw connect.failure.error;
      const body = path.endsWith('/roots') ? rootsAnswer() : leafAnswer(name);
      return { status: 200, index, filtered: false, leaderless: false, body: connect.instead?.(whole, body) ?? body };
    },
    close: () => undefined,
  };

  function rootsAnswer(): object {
    return {
      TrustDomain: connectDomain,
      ActiveRootID: connect.roots[0]?.name,
      // Consul has them in any order.
      Roots: connect.roots.toReversed().map(({ name, pem }) => ({ ID: name, RootCert: pem })),
    };
  }

  function leafAnswer(service: string): object {
    const { key, between = cross === undefined ? [] : [cross], ...options } = connect.leaf;
    const made = makeAuthority(directory, `leaf${++count}`, {
      ...{ leaf: true, uses: 'serverAuth,clientAuth', uri: connectPrefix + service, days: 3 },
      ...(connect.roots[0] === undefined ? {} : { issuer: connect.roots[0] }),
      ...options,
    });
    return {
      CertPEM: [made, ...between].map(({ pem }) => pem).join(''),
      PrivateKeyPEM: readFileSync((key ?? made).key, 'utf8'),
      ServiceURI: connectPrefix + service,
    };
  }
  return connect;
}
