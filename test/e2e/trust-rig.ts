// What the tests of trust share: a product with its own authority and services of files, credentials as nodes get them, raw
// clients that show what they like, and real Envoys that joined. It must not know what is to be refused.
// Invariant: everything it started ends with it.
import { generateKeyPairSync } from 'node:crypto';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { credentials } from '@grpc/grpc-js';
import { expect } from 'vitest';
import { typeUrls } from '../../src/resources/type-urls.ts';
import type { Channel } from '../conformance/xds/envoy-world.ts';
import { connect, type GrpcClient } from '../conformance/xds/grpc-client.ts';
import { ask } from '../support/load.ts';
import { type Product, type ProductOptions, startProduct } from '../support/product.ts';
import type { EnvoyOptions, RunningEnvoy } from '../support/real-parts.ts';
import { createTempDir } from '../support/temp-dir.ts';
import { type RunningRegistry, registryRigs } from './registry-rigs.ts';

export interface Owner {
  readonly services?: readonly string[];
  readonly gateways?: readonly string[];
  /** The one node id it is for. */
  readonly node?: string;
}

/** PEM, as a client of TLS shows it. */
export interface ShownCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface OpenOptions {
  readonly token?: string;
  readonly certificate?: ShownCertificate;
  readonly node?: object;
  readonly channel?: Channel;
  readonly type?: (typeof typeUrls)[keyof typeof typeUrls];
}

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

export interface TrustRig extends AsyncDisposable {
  readonly product: Product;
  readonly registry: RunningRegistry;
  /** A folder for whatever a test keeps. */
  readonly folder: string;
  joinToken(owner: Owner): Promise<string>;
  /** A node token, by a join token that was made for it. */
  token(owner: Owner): Promise<string>;
  /** A client certificate, by the same way. */
  certificate(owner: Owner): Promise<ShownCertificate>;
  /** `only`: not what was renewed from it. */
  revoke(kind: 'token' | 'certificate', id: string, only?: boolean): Promise<void>;
  /** A stream over TLS, before its first message. */
  open(options: OpenOptions): Promise<GrpcClient>;
  /** HTTP/1.1 over TLS to the xDS port. */
  post(path: string, body: object, shown?: Pick<OpenOptions, 'token' | 'certificate'>): Promise<HttpAnswer>;
  /** A real Envoy that joined as the owner. */
  envoy(node: string, owner: Owner, args: readonly string[], options?: EnvoyOptions): Promise<RunningEnvoy>;
}

export const ads: Channel = { variant: 'delta', aggregated: true };

/** `started`: the registry, if not one of files; it ends with the rig. */
export async function startTrustRig(options: ProductOptions = {}, started?: RunningRegistry): Promise<TrustRig> {
  const files = registryRigs.find(({ name }) => name === 'files');
  if (files === undefined) throw new Error('no files rig');
  const dir = createTempDir('trust');
  const registry = started ?? (await files.start());
  const config = { trust: {}, ...options.config };
  const product = await startProduct({ ...options, registries: [registry.config], config });
  const base = `http://127.0.0.1:${product.httpPort}/api/v1/trust`;
  const send = (path: string, body: object): Promise<Response> =>
    fetch(`${base}/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const roots = async (): Promise<string> => ((await (await fetch(`${base}/roots`)).json()) as { roots: string }).roots;

  async function joinToken(owner: Owner): Promise<string> {
    const made = await product.api('POST', '/api/v1/trust/join-tokens', JSON.stringify(owner));
    expect(made.status).toBe(201);
    return ((await made.json()) as { token: string }).token;
  }

  async function enrol(owner: Owner, more: object = {}): Promise<{ token?: string; chain?: string }> {
    const answer = await send('join', { token: await joinToken(owner), ...more });
    expect(answer.status).toBe(200);
    return ((await answer.json()) as { credential: { token?: string; chain?: string } }).credential;
  }

  return {
    ...{ product, registry, folder: dir.path, joinToken },
    async token(owner) {
      return (await enrol(owner)).token ?? expect.fail('no token');
    },
    async certificate(owner) {
      const { publicKey, key } = newKey();
      const { chain } = await enrol(owner, { publicKey });
      return { cert: chain ?? expect.fail('no certificate'), key };
    },
    async revoke(kind, id, only = false) {
      const answer = await product.api('POST', '/api/v1/trust/revocations', JSON.stringify({ kind, id, only }));
      expect(answer.status).toBe(201);
    },
    async open({ token, certificate, node, channel = ads, type = typeUrls.cluster }) {
      const pem = (text: string | undefined): Buffer | null => (text === undefined ? null : Buffer.from(text));
      return connect({
        ...{ port: product.xdsPort, channel, type, node },
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
        security: credentials.createSsl(Buffer.from(await roots()), pem(certificate?.key), pem(certificate?.cert)),
      });
    },
    async post(path, body, { token, certificate } = {}) {
      const ca = await roots();
      const text = JSON.stringify(body);
      return new Promise((resolve, reject) => {
        const sent = httpsRequest(
          {
            ...{ host: '127.0.0.1', port: product.xdsPort, path, method: 'POST', agent: false, ca },
            ...certificate,
            headers: {
              'content-type': 'application/json',
              ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
            },
          },
          (response) => {
            const parts: Buffer[] = [];
            response.on('data', (part: Buffer) => parts.push(part));
            response.once('end', () =>
              resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts).toString() }),
            );
          },
        );
        sent.once('error', reject);
        sent.end(text);
      });
    },
    async envoy(node, { services = [], gateways = [], node: bound }, args, envoyOptions = {}) {
      const token = await joinToken({ services, gateways, ...(bound === undefined ? {} : { node: bound }) });
      const own = ['--join', token, '--credentials', join(dir.path, node)];
      return product.envoy(node, [...args, ...own], envoyOptions);
    },
    async [Symbol.asyncDispose]() {
      await product[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
      dir.remove();
    },
  };
}

/** The public half as doors take it, the private one as PEM. */
export function newKey(): { readonly publicKey: string; readonly key: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    publicKey: publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/** The id that revokes a node token. */
export function tokenId(token: string): string {
  const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString();
  return (JSON.parse(payload) as { jti: string }).jti;
}

/** What a thief reads out of the memory of a proxy: its certificate of the mesh, as PEM stands in the answer. */
export async function stolenLeaf(client: GrpcClient): Promise<ShownCertificate> {
  client.send({ type_url: typeUrls.secret, resource_names_subscribe: ['mesh:identity'] });
  return leafIn(await nextKey(client));
}

/** The content of the next secret with a key; an answer that has none yet may come before it, and is acknowledged. */
export async function nextKey(client: GrpcClient): Promise<string> {
  for (;;) {
    const { resources, nonce, type } = await client.next();
    client.send({ type_url: type, response_nonce: nonce });
    const found = resources.find(({ content }) => content.includes('PRIVATE KEY'));
    if (found !== undefined) return found.content;
  }
}

/** PEM of a certificate and its key, out of the bytes of a secret. */
export function leafIn(content: string): ShownCertificate {
  const [cert, key] = ['CERTIFICATE', 'PRIVATE KEY'].map((label) =>
    (content.match(new RegExp(`-----BEGIN ${label}-----[^-]+-----END ${label}-----\n`, 'g')) ?? []).join(''),
  );
  if (cert === undefined || key === undefined || cert === '' || key === '') throw new Error('no certificate and key');
  return { cert, key };
}

/** Through a sidecar or gateway to a backend: who answered, and whom its proxy saw. Rejects unless the status is 200. */
export async function through(port: number, host: string): Promise<{ readonly name: string; readonly caller: string }> {
  const reply = await ask({ port, host, path: '/' });
  if (reply.status !== 200) throw new Error(`status ${reply.status}: ${reply.body}`);
  const { name, headers } = JSON.parse(reply.body) as { name: string; headers: Record<string, string> };
  return { name, caller: headers['x-forwarded-client-cert'] ?? '' };
}
