// One stolen file, and what it is good for: raw clients over TLS against the product with its own authority. Whoever shows
// nothing, garbage, two things, or what belongs to another gets an exact code and not one message before it; whoever is let
// in gets its own key and nobody else's; what was revoked is over within a minute, and nothing that came of it lives on.
import { X509Certificate } from 'node:crypto';
import { connect as connectHttp2 } from 'node:http2';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { typeUrls } from '../../src/resources/type-urls.ts';
import { connect, type GrpcClient } from '../conformance/xds/grpc-client.ts';
import { eventually } from '../support/real-parts.ts';
import { createTempDir } from '../support/temp-dir.ts';
import {
  ads,
  leafIn,
  newKey,
  nextKey,
  type OpenOptions,
  startTrustRig,
  stolenLeaf,
  type TrustRig,
  tokenId,
} from './trust-rig.ts';

const CDS = typeUrls.cluster;
const SDS = typeUrls.secret;
const identity = 'mesh:identity';
const sotw = { variant: 'sotw', aggregated: true } as const;
const alone = { variant: 'delta', aggregated: false } as const;

const service = (name: string, port: number): string =>
  `{apiVersion: chancery/v1, kind: Service, metadata: {name: ${name}}, spec: {endpoints: [{address: 127.0.0.1, port: ${port}}]}}\n`;

const node = (id: string, claims: object = {}): object => ({ id, cluster: 'any', metadata: { chancery: claims } });

/** How a stream ended, waited for longer than a list is read anew. */
const ended = (client: GrpcClient): Promise<string> =>
  eventually(async () => status[(await client.ended()).code], { deadlineMs: 45_000 });

describe('whoever has a stolen file', () => {
  let rig: TrustRig;
  beforeAll(async () => {
    rig = await startTrustRig();
    rig.product.write('all.yaml', [service('web', 1), service('api', 2), service('far', 3)].join('---\n'));
    await eventually(async () => (await rig.product.status()).services.length === 3);
  }, 60_000);
  afterAll(() => rig?.[Symbol.asyncDispose]());

  /** How the stream of a first request ends, with how many messages before it. */
  async function outcome(options: OpenOptions, request: object = { type_url: CDS }): Promise<[string, number]> {
    await using client = await rig.open(options);
    client.send(request);
    return await Promise.race([
      client.ended().then(({ code }): [string, number] => [status[code], client.waiting()]),
      client.next().then((): [string, number] => ['served', 1]),
    ]);
  }

  /** The names of the URI in the certificate that the stream is given, and its serial. */
  const shownIn = (content: string): readonly [string, string] => {
    const { subjectAltName, serialNumber } = new X509Certificate(leafIn(content).cert);
    return [subjectAltName ?? '', serialNumber];
  };

  it('T2: is nobody without a credential, or with one that is none', async () => {
    const token = await rig.token({ services: ['web'] });
    const [header = '', payload = '', signature = ''] = token.split('.');
    const forged = Buffer.from(
      JSON.stringify({ ...JSON.parse(Buffer.from(payload, 'base64url').toString()), services: ['api'] }),
    ).toString('base64url');
    const none = Buffer.from('{"alg":"none","typ":"chancery-node+jwt"}').toString('base64url');
    const own = node('web-1', { service: 'web' });
    for (const bad of [
      undefined,
      'garbage',
      'a.b.c',
      `${header}.${payload}`,
      `${header}.${payload}.`,
      `${header}.${forged}.${signature}`,
      `${none}.${payload}.`,
      `${token}x`,
      `${token}, Bearer ${token}`,
      await rig.joinToken({ services: ['web'] }),
    ])
      expect([bad, await outcome({ node: own, ...(bad === undefined ? {} : { token: bad }) })]).toEqual([
        bad,
        ['UNAUTHENTICATED', 0],
      ]);
    expect(await outcome({ node: own, token })).toEqual(['served', 1]);
  });

  it('T2: is nobody with two headers, be they the same', async () => {
    const token = await rig.token({ services: ['web'] });
    const loose: object = { strictSingleValueFields: false, rejectUnauthorized: false };
    const session = connectHttp2(`https://127.0.0.1:${rig.product.xdsPort}`, loose);
    const codes = async (...headers: readonly string[]): Promise<unknown> => {
      const stream = session.request([
        ...[
          ':method',
          'POST',
          ':path',
          '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
        ],
        ...['content-type', 'application/grpc', 'te', 'trailers'],
        ...headers.flatMap((value) => ['authorization', value]),
      ]);
      stream.on('error', () => {});
      return new Promise((resolve) => stream.once('response', (all) => resolve(all['grpc-status'])));
    };
    expect(await codes(`Bearer ${token}`, `Bearer ${token}`)).toBe(String(status.UNAUTHENTICATED));
    expect(await codes('Bearer garbage', `Bearer ${token}`)).toBe(String(status.UNAUTHENTICATED));
    session.destroy();
  });

  it('T2: is what its token says, whatever it says of itself', async () => {
    const token = await rig.token({ services: ['web'] });
    const bound = await rig.token({ services: ['web'], node: 'web-1' });
    const both = await rig.token({ services: ['web', 'api'] });
    const table: readonly (readonly [string, object, string])[] = [
      [token, node('web-1', { service: 'web' }), 'served'],
      [token, node('web-1'), 'served'],
      [token, node('web-2', { service: 'web' }), 'served'],
      [token, node('web-1', { service: 'api' }), 'PERMISSION_DENIED'],
      [token, node('web-1', { service: 'api', role: 'sidecar' }), 'PERMISSION_DENIED'],
      [token, node('web-1', { role: 'gateway' }), 'PERMISSION_DENIED'],
      [token, node('web-1', { role: 'gateway', gateway: 'web' }), 'PERMISSION_DENIED'],
      [token, node('web-1', { role: 'gateway', gateway: 'edge', service: 'web' }), 'PERMISSION_DENIED'],
      [token, node('web-1', { service: 'web', namespace: 'prod' }), 'PERMISSION_DENIED'],
      [token, node('web-1', { service: 'prod/web' }), 'PERMISSION_DENIED'],
      [token, node('web-1', { service: '/web' }), 'PERMISSION_DENIED'],
      [token, node('web-1', { service: 'Web' }), 'PERMISSION_DENIED'],
      [token, node('', { service: 'web' }), 'INVALID_ARGUMENT'],
      [bound, node('web-1', { service: 'web' }), 'served'],
      [bound, node('web-2', { service: 'web' }), 'PERMISSION_DENIED'],
      [both, node('x', { service: 'api' }), 'served'],
      [both, node('x'), 'PERMISSION_DENIED'],
      [both, node('x', { service: 'far' }), 'PERMISSION_DENIED'],
    ];
    for (const [credential, claimed, wanted] of table)
      expect([claimed, await outcome({ token: credential, node: claimed })]).toEqual([
        claimed,
        [wanted, wanted === 'served' ? 1 : 0],
      ]);
  });

  it('T1: gets its own key, by its name alone, on streams of every kind', async () => {
    const serials = new Set<string>();
    for (const [owner, claims, wanted] of [
      [{ services: ['web'] }, { service: 'web' }, 'svc/web'],
      [{ services: ['api'] }, { service: 'api' }, 'svc/api'],
      [{ services: ['web', 'api'] }, { service: 'api' }, 'svc/api'],
      [{ gateways: ['edge'] }, { role: 'gateway', gateway: 'edge' }, 'gateway/edge'],
    ] as const)
      for (const channel of [ads, sotw, alone]) {
        const token = await rig.token(owner);
        await using client = await rig.open({ token, node: node('n', claims), channel, type: SDS });
        client.send(
          channel.variant === 'sotw'
            ? { type_url: SDS, resource_names: [identity] }
            : { type_url: SDS, resource_names_subscribe: [identity] },
        );
        const [name, serial] = shownIn(await nextKey(client));
        expect(name).toBe(`URI:spiffe://service.local/${wanted}`);
        serials.add(serial);
      }
    // A view is shared by those who are the same, but never by two identities.
    expect(serials.size).toBeGreaterThanOrEqual(3);
  });

  it('T1: is shown no secret it does not name, and none of others by any name', async () => {
    // Somebody else's is there and could be given.
    const apis = await rig.token({ services: ['api'] });
    await using owner = await rig.open({ token: apis, node: node('api-1', { service: 'api' }) });
    const theirs = await stolenLeaf(owner);
    const names = [
      'spiffe://service.local/svc/api',
      'mesh:identity:api',
      'mesh:identity/api',
      'api',
      'MESH:IDENTITY',
      'mesh:identity ',
      'mesh:root-key',
      '*',
      '',
    ];
    const token = await rig.token({ services: ['web'] });
    for (const subscribed of [names, ['*'], undefined] as const) {
      await using client = await rig.open({ token, node: node('web-1', { service: 'web' }) });
      client.send({ type_url: SDS, ...(subscribed === undefined ? {} : { resource_names_subscribe: subscribed }) });
      // What comes after it in the same stream shows that it was answered.
      client.send({ type_url: CDS });
      for (;;) {
        const answer = await client.next();
        expect(JSON.stringify(answer)).not.toMatch(/PRIVATE KEY|BEGIN CERTIFICATE/);
        client.send({ type_url: answer.type, response_nonce: answer.nonce });
        if (answer.type === CDS) break;
      }
      client.send({ type_url: SDS, resource_names_subscribe: [identity] });
      const content = await nextKey(client);
      expect(shownIn(content)[0]).toBe('URI:spiffe://service.local/svc/web');
      expect(content).not.toContain(theirs.key.split('\n')[1]);
    }
    for (const list of [names, ['*'], []]) {
      await using client = await rig.open({ token, node: node('web-1', { service: 'web' }), channel: sotw });
      client.send({ type_url: SDS, resource_names: list });
      client.send({ type_url: CDS });
      for (;;) {
        const answer = await client.next();
        expect(JSON.stringify(answer)).not.toMatch(/PRIVATE KEY|BEGIN CERTIFICATE/);
        if (answer.type === CDS) break;
      }
    }
    const polled = await rig.post(
      '/v3/discovery:secrets',
      { node: node('web-1', { service: 'web' }), resource_names: [identity] },
      { token },
    );
    expect(polled.body).not.toMatch(/PRIVATE|BEGIN|LS0tLS1CRUdJTi/);
  });

  it('T15: is over within a minute of the revocation, and renews nothing', { timeout: 60_000 }, async () => {
    const token = await rig.token({ services: ['web'] });
    const other = await rig.token({ services: ['web'] });
    const certificate = await rig.certificate({ services: ['web'] });
    const serial = new X509Certificate(certificate.cert).serialNumber.toLowerCase();
    const own = node('web-1', { service: 'web' });
    const [byToken, byCertificate, stays] = await Promise.all([
      rig.open({ token, node: own }),
      rig.open({ certificate, node: own }),
      rig.open({ token: other, node: own }),
    ]);
    for (const client of [byToken, byCertificate, stays]) {
      client.send({ type_url: CDS });
      const { nonce } = await client.next();
      client.send({ type_url: CDS, response_nonce: nonce });
    }
    const since = performance.now();
    await rig.revoke('token', tokenId(token));
    await rig.revoke('certificate', serial);
    expect(await ended(byToken)).toBe('UNAUTHENTICATED');
    expect(await ended(byCertificate)).toBe('UNAUTHENTICATED');
    expect(performance.now() - since).toBeLessThan(60_000);
    for (const shown of [{ token }, { certificate }]) {
      expect(await outcome({ ...shown, node: own })).toEqual(['UNAUTHENTICATED', 0]);
      expect((await rig.post('/api/v1/trust/renew', {}, shown)).status).toBe(401);
      expect((await rig.post('/api/v1/trust/renew', { publicKey: newKey().publicKey }, shown)).status).toBe(401);
    }
    stays.send({ type_url: typeUrls.listener });
    expect((await stays.next()).type).toBe(typeUrls.listener);
    for (const client of [byToken, byCertificate, stays]) await client[Symbol.asyncDispose]();
  });

  it('T15: takes what was renewed from it along, whichever of them is named', { timeout: 60_000 }, async () => {
    const first = await rig.token({ services: ['web'] });
    const renewal = await rig.post('/api/v1/trust/renew', {}, { token: first });
    const { token = '' } = (JSON.parse(renewal.body) as { credential: { token?: string } }).credential;
    const certificate = await rig.certificate({ services: ['web'] });
    const { publicKey, key } = newKey();
    const next = await rig.post('/api/v1/trust/renew', { publicKey }, { certificate });
    const { chain = '' } = (JSON.parse(next.body) as { credential: { chain?: string } }).credential;
    const own = node('web-1', { service: 'web' });
    const shown = [{ token: first }, { token }, { certificate }, { certificate: { cert: chain, key } }];
    const open = await Promise.all(shown.map((one) => rig.open({ ...one, node: own })));
    for (const client of open) {
      client.send({ type_url: CDS });
      await client.next();
    }
    // The first of one family, the last of the other.
    await rig.revoke('token', tokenId(first));
    await rig.revoke('certificate', new X509Certificate(chain).serialNumber.toLowerCase());
    for (const client of open) expect(await ended(client)).toBe('UNAUTHENTICATED');
    for (const one of shown) expect(await outcome({ ...one, node: own })).toEqual(['UNAUTHENTICATED', 0]);
  });

  it('T15: does not make a credential of the certificate that its proxy had in the mesh', async () => {
    const token = await rig.token({ services: ['web'], node: 'web-1' });
    const own = node('web-1', { service: 'web' });
    await using client = await rig.open({ token, node: own });
    const leaf = await stolenLeaf(client);
    for (const claimed of [own, node('elsewhere', { service: 'web' })])
      expect(await outcome({ certificate: leaf, node: claimed })).toEqual(['UNAUTHENTICATED', 0]);
    for (const body of [{}, { publicKey: newKey().publicKey }])
      expect((await rig.post('/api/v1/trust/renew', body, { certificate: leaf })).status).toBe(401);
  });

  it('gets no more by renewing than it had', async () => {
    const own = node('web-1', { service: 'web' });
    const bound = await rig.token({ services: ['web'], node: 'web-1' });
    for (const body of [{}, { publicKey: newKey().publicKey }]) {
      const renewed = await rig.post('/api/v1/trust/renew', body, { token: bound });
      expect(renewed.status).toBe(200);
      const { token } = (JSON.parse(renewed.body) as { credential: { token: string } }).credential;
      expect(await outcome({ token, node: own })).toEqual(['served', 1]);
      expect(await outcome({ token, node: node('web-2', { service: 'web' }) })).toEqual(['PERMISSION_DENIED', 0]);
      expect(await outcome({ token, node: node('web-1', { service: 'api' }) })).toEqual(['PERMISSION_DENIED', 0]);
    }
    for (const body of [{ services: ['api'] }, { publicKey: 'AAAA' }, { token: bound, node: 'x' }])
      expect((await rig.post('/api/v1/trust/renew', body, { token: bound })).status).toBe(400);
  });

  it('is served nothing else on the port: no load reports, no reflection, no polls', async () => {
    for (const path of ['clusters', 'listeners', 'routes', 'endpoints', 'secrets'])
      expect((await rig.post(`/v3/discovery:${path}`, { node: node('web-1') })).status).toBe(401);
    expect((await rig.post('/api/v1/trust/renew', {})).status).toBe(401);
    for (const path of ['/api/v1/status', '/api/v1/trust/join-tokens', '/api/v1/trust/revocations', '/metrics'])
      expect((await rig.post(path, { kind: 'token', id: 'a' })).status).toBe(404);
  });
});

describe('whoever tries again and again', () => {
  let rig: TrustRig;
  beforeAll(async () => {
    rig = await startTrustRig();
    rig.product.write('all.yaml', service('web', 1));
    await eventually(async () => (await rig.product.status()).services.length === 1);
  }, 60_000);
  afterAll(() => rig?.[Symbol.asyncDispose]());

  it('T9: shuts out nobody at its address whose credential is good', async () => {
    const own = node('web-1', { service: 'web' });
    const stranger = await rig.token({ services: ['web'] });
    await rig.revoke('token', tokenId(stranger));
    const token = await rig.token({ services: ['web'] });
    const failed = async (): Promise<number> =>
      (await rig.post('/v3/discovery:clusters', { node: own }, { token: stranger })).status;
    let last = 0;
    // Sixty at once, and five more each second, are each told what they are.
    for (let count = 0; count < 400 && last !== 503; count++) last = await failed();
    expect(last).toBe(503);
    await using client = await rig.open({ token, node: own });
    client.send({ type_url: CDS });
    expect((await client.next()).type).toBe(CDS);
    expect((await rig.post('/api/v1/trust/renew', {}, { token })).status).toBe(200);
  });

  it('T4: uses a join token once, if twenty try at the same time', async () => {
    const token = await rig.joinToken({ services: ['web'] });
    const join = (): Promise<number> => rig.post('/api/v1/trust/join', { token }).then(({ status: code }) => code);
    const codes = await Promise.all(Array.from({ length: 20 }, join));
    expect(codes.filter((code) => code === 200)).toHaveLength(1);
    expect(codes.filter((code) => code === 401)).toHaveLength(19);
    expect(await join()).toBe(401);
  });
});

describe('whoever comes late, or in the clear', () => {
  let rig: TrustRig;
  const lifeMs = 6_000;
  beforeAll(async () => {
    const trust = { nodeTokenDays: lifeMs / 86_400_000 };
    rig = await startTrustRig({ config: { trust } });
    rig.product.write('all.yaml', service('web', 1));
    await eventually(async () => (await rig.product.status()).services.length === 1);
  }, 60_000);
  afterAll(() => rig?.[Symbol.asyncDispose]());

  it('T15: is out when its credential ends, and cannot renew it then', { timeout: 60_000 }, async () => {
    const own = node('web-1', { service: 'web' });
    const shown = [
      { token: await rig.token({ services: ['web'] }) },
      { certificate: await rig.certificate({ services: ['web'] }) },
    ];
    const made = Date.now();
    const clients = await Promise.all(shown.map((one) => rig.open({ ...one, node: own })));
    for (const client of clients) {
      client.send({ type_url: CDS });
      expect((await client.next()).type).toBe(CDS);
    }
    // In its last quarter it may be asked to come back with its next one.
    for (const client of clients) expect(['UNAVAILABLE', 'UNAUTHENTICATED']).toContain(await ended(client));
    await new Promise((resolve) => setTimeout(resolve, made + lifeMs + 500 - Date.now()));
    for (const one of shown) {
      await using late = await rig.open({ ...one, node: own });
      late.send({ type_url: CDS });
      // Of a certificate that has ended, TLS may not get that far.
      expect(['UNAUTHENTICATED', 'UNAVAILABLE']).toContain(await ended(late));
      expect(late.waiting()).toBe(0);
      expect((await rig.post('/api/v1/trust/renew', {}, one)).status).toBe(401);
    }
    for (const client of clients) await client[Symbol.asyncDispose]();
  });

  it('T21: gets no answer in the clear, with a good token either', async () => {
    const token = await rig.token({ services: ['web'] });
    await using client = connect({
      ...{ port: rig.product.xdsPort, channel: ads, type: CDS, node: node('web-1', { service: 'web' }) },
      headers: { authorization: `Bearer ${token}` },
    });
    client.send({ type_url: CDS });
    expect(await ended(client)).toBe('UNAVAILABLE');
    expect(client.waiting()).toBe(0);
  });
});

it('T15: is over at every replica within a minute of the revocation at one', { timeout: 60_000 }, async () => {
  using shared = createTempDir('replicas');
  const trust = {
    root: { kind: 'files', path: join(shared.path, 'ca') },
    joinStore: { kind: 'files', path: join(shared.path, 'store') },
  };
  await using one = await startTrustRig({ config: { trust } });
  await using two = await startTrustRig({ config: { trust } });
  for (const { product } of [one, two]) product.write('all.yaml', service('web', 1));
  const token = await one.token({ services: ['web'] });
  await using client = await two.open({ token, node: node('web-1', { service: 'web' }) });
  client.send({ type_url: CDS });
  expect((await client.next()).type).toBe(CDS);
  const since = performance.now();
  await one.revoke('token', tokenId(token));
  expect(await ended(client)).toBe('UNAUTHENTICATED');
  expect(performance.now() - since).toBeLessThan(60_000);
  expect((await two.post('/api/v1/trust/renew', {}, { token })).status).toBe(401);
});
