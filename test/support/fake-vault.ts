// Vault's PKI engine in the place of the real one, as far as it is asked: answers as Vault 1.21.4 gives them, recorded. The same
// suite runs over the real one where there is one.
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { randomSerial, signIntermediate } from '../../src/ca/x509.ts';
import { pemText } from '../../src/util/pem.ts';
import { type MadeRoot, makeRoot, requestedKey } from './foreign-authority.ts';
import { whenPortIsFree } from './free-port.ts';

/** What a test does with Vault, real or not. */
export interface VaultForTests extends AsyncDisposable {
  readonly url: string;
  /** May sign intermediates. */
  readonly token: string;
  /** Another issuer with a root of its own; its id. It does not sign yet. */
  addIssuer(name: string): Promise<string>;
  /** This one signs where none is named. */
  makeDefault(id: string): Promise<void>;
  removeIssuer(id: string): Promise<void>;
  issuers(): Promise<readonly string[]>;
  stop(): Promise<void>;
  /** On the same address, as it was. */
  start(): Promise<void>;
}

export interface FakeVault extends VaultForTests {
  /** What the next requests are answered; undefined: as Vault does. */
  answer:
    | { readonly status: number; readonly body: string; readonly headers?: Readonly<Record<string, string>> }
    | undefined;
  /** `METHOD path` of every request, and the token that came with it. */
  readonly requests: {
    readonly line: string;
    readonly token: string | undefined;
    readonly namespace: string | undefined;
  }[];
}

interface Order {
  readonly csr: string;
  readonly uri_sans: string;
  readonly ttl: string;
}

const hour = 3_600_000;
const longestMs = 32 * 24 * hour;

export async function startFakeVault(): Promise<FakeVault> {
  const token = `hvs.${randomUUID()}`;
  const issuers = new Map<string, MadeRoot & { readonly name: string }>();
  let standard = '';
  let port = 0;

  function add(name: string): string {
    const id = randomUUID();
    issuers.set(id, { ...makeRoot(Date.now()), name });
    return id;
  }
  standard = add('root-1');

  const find = (reference: string): (MadeRoot & { readonly name: string }) | undefined =>
    reference === 'default'
      ? issuers.get(standard)
      : (issuers.get(reference) ?? [...issuers.values()].find(({ name }) => name === reference));
  const data = (value: object): object => ({
    ...{ request_id: randomUUID(), lease_id: '', renewable: false, lease_duration: 0, data: value },
    ...{ wrap_info: null, warnings: null, auth: null, mount_type: '' },
  });
  const errors = (status: number, ...texts: readonly string[]) => ({ status, body: { errors: texts } });

  function answerTo(
    method: string,
    path: string,
    given: string | undefined,
    body: string,
  ): { status: number; body: object } {
    if (method === 'GET' && path === '/v1/pki/issuers?list=true') {
      const about = [...issuers].map(([id, { name }]) => [
        id,
        { is_default: id === standard, issuer_name: name, key_id: randomUUID(), serial_number: '01' },
      ]);
      return { status: 200, body: data({ key_info: Object.fromEntries(about), keys: [...issuers.keys()] }) };
    }
    const read = /^\/v1\/pki\/issuer\/([^/]+)\/json$/.exec(path);
    if (method === 'GET' && read !== null) {
      const issuer = find(decodeURIComponent(read[1] ?? ''));
      if (issuer === undefined) return errors(500, `unable to find PKI issuer for reference: ${read[1]}`);
      const certificate = pemText('CERTIFICATE', [issuer.certificate]);
      return { status: 200, body: data({ ca_chain: [certificate], certificate, issuer_name: issuer.name }) };
    }
    const signed = /^\/v1\/pki\/(?:root|issuer\/([^/]+))\/sign-intermediate$/.exec(path);
    if (method !== 'POST' || signed === null) return errors(403, 'permission denied');
    if (given !== token) return errors(403, '2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n');
    const issuer = find(decodeURIComponent(signed[1] ?? 'default'));
    if (issuer === undefined) return errors(500, `unable to find PKI issuer for reference: ${signed[1]}`);
    return { status: 200, body: data(sign(issuer, JSON.parse(body))) };
  }

  function sign(issuer: MadeRoot, { csr, uri_sans: uri, ttl }: Order): object {
    const request = Buffer.from(csr.replaceAll(/-----[A-Z ]+-----|\s/g, ''), 'base64');
    const nowMs = Date.now();
    const lifeMs = Math.min(Number(/^(\d+)s$/.exec(ttl)?.[1]) * 1000, longestMs);
    const certificate = signIntermediate(issuer, {
      ...{ publicKey: requestedKey(request), serial: randomSerial() },
      trustDomain: uri.replace('spiffe://', ''),
      validity: { notBeforeMs: nowMs - 30_000, notAfterMs: nowMs + lifeMs },
    });
    const [own, above] = [certificate, issuer.certificate].map((der) => pemText('CERTIFICATE', [der]).trim());
    return { ca_chain: [own, above], certificate: own, expiration: 0, issuing_ca: above, serial_number: '01' };
  }

  const server = createServer((request, response) => {
    void readBody(request).then((body) => {
      const { method = '', url = '', headers } = request;
      const header = (name: string): string | undefined => [headers[name]].flat()[0];
      const given = header('x-vault-token');
      vault.requests.push({ line: `${method} ${url}`, token: given, namespace: header('x-vault-namespace') });
      if (vault.answer !== undefined)
        return response.writeHead(vault.answer.status, vault.answer.headers).end(vault.answer.body);
      const answer = answerTo(method, url, given, body);
      return response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer.body));
    });
  });
  const start = (): Promise<void> =>
    whenPortIsFree(
      () =>
        new Promise((resolve, reject) => {
          server.once('error', reject);
          server.listen(port, '127.0.0.1', () => {
            ({ port } = server.address() as AddressInfo);
            server.off('error', reject);
            resolve();
          });
        }),
    );
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    });
  const vault: FakeVault = {
    get url() {
      return `http://127.0.0.1:${port}`;
    },
    token,
    answer: undefined,
    requests: [],
    addIssuer: async (name) => add(name),
    async makeDefault(id) {
      standard = id;
    },
    async removeIssuer(id) {
      issuers.delete(id);
    },
    issuers: async () => [...issuers.keys()],
    ...{ start, stop, [Symbol.asyncDispose]: stop },
  };
  await start();
  return vault;
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
