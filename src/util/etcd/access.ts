// How etcd is reached: one etcd3 client per session, made anew after every loss, so that tokens, certificates,
// passwords and channels are never older than the session. Nothing of etcd3's own recovery is used.
// It must not know keys. Invariant: importing this file loads no client; the first session does.
import { readFile } from 'node:fs/promises';
import type { Etcd3, IOptions } from 'etcd3';
import type { Clock } from '../clock.ts';
import { errorText } from '../errors.ts';
import { withoutCredentials } from '../public-url.ts';

/** As in `registries[]` and `objects[]` of chancery.yaml. */
export interface EtcdAccess {
  /** URLs of the members; `https` for TLS, all or none. */
  readonly endpoints: readonly string[];
  readonly username?: string;
  readonly password?: string;
  /** Read at every session. */
  readonly passwordFile?: string;
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}

/** Longest time one answer may take. */
export const answerMs = 5000;

// etcd3 would retry and break circuits for up to 30 s by itself; the supervisor (keyspace.ts) does both, visibly.
const passThrough = {
  execute: async (fn: (context: unknown) => unknown): Promise<unknown> => await fn({ signal: undefined, attempt: 0 }),
};

/** A client of its own channels; the caller closes it. Connects with its first call. Rejects when a file cannot be read. */
export async function openClient(access: EtcdAccess, clock: Clock): Promise<Etcd3> {
  const { Etcd3 } = await import('etcd3');
  const policies = { host: () => passThrough, global: passThrough } as unknown as NonNullable<
    IOptions['faultHandling']
  >;
  const auth = await readAuth(access);
  const credentials = await readCredentials(access);
  return new Etcd3({
    hosts: [...access.endpoints],
    faultHandling: policies,
    grpcOptions: {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1000,
      // etcd refuses pings more often than every 5 s (--grpc-keepalive-min-time).
      'grpc.keepalive_time_ms': 10_000,
      'grpc.keepalive_timeout_ms': 5000,
      'grpc.max_receive_message_length': 64 << 20,
    },
    defaultCallOptions: ({ isStream }) => (isStream ? {} : { deadline: clock.wall() + answerMs }),
    ...(auth === undefined ? {} : { auth }),
    ...(credentials === undefined ? {} : { credentials }),
  });
}

async function readAuth(access: EtcdAccess): Promise<{ username: string; password: string } | undefined> {
  const { username, password, passwordFile } = access;
  if (username === undefined) return undefined;
  if (passwordFile === undefined) return { username, password: password ?? '' };
  return { username, password: (await readFile(passwordFile, 'utf8')).trim() };
}

async function readCredentials(access: EtcdAccess): Promise<IOptions['credentials']> {
  const { caFile, certFile, keyFile, endpoints } = access;
  if (caFile === undefined || !endpoints.some((url) => url.startsWith('https:'))) return undefined;
  return {
    rootCertificate: await readFile(caFile),
    ...(certFile === undefined ? {} : { certChain: await readFile(certFile) }),
    ...(keyFile === undefined ? {} : { privateKey: await readFile(keyFile) }),
  };
}

/** Why etcd cannot be used, in words that stay the same from try to try: no times, ports of ours, or gRPC codes. */
export function plainReason(error: unknown, endpoints: readonly string[]): string {
  const text = errorText(error);
  const members = withoutCredentials(endpoints.join(' ')).replaceAll(' ', ', ');
  if (/\bUNAVAILABLE\b/.test(text) && !/etcdserver:/.test(text)) return `no connection to ${members}`;
  if (/\bDEADLINE_EXCEEDED\b/.test(text)) return `no answer from ${members} in ${answerMs / 1000} s`;
  return text.replace(/^\d+ [A-Z_]+: /, '').replace(/^etcdserver: /, '');
}
