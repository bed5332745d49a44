// Secrets over TLS, both carriers, one thread and several: T1 (a key goes to its owner), T14 (a certificate counts for each
// stream anew), T21 (nobody else is told a byte of one).
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type ChannelCredentials, credentials, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Resource } from '../../../src/resources/resource.ts';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import { silentLogger } from '../../../src/util/log.ts';
import { type Authority, createAuthority, describeWithOpenssl } from '../../support/certificates.ts';
import { eventually } from '../../support/eventually.ts';
import { createKnownCallers, type KnownCallers, principal } from '../../support/known-callers.ts';
import { createStaticViews, resource } from '../../support/static-views.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';
import type { Channel } from './envoy-world.ts';
import { type ConnectOptions, connect, protos } from './grpc-client.ts';
import { runServer } from './running-server.ts';
import { call } from './service-client.ts';

const SDS = typeUrls.secret;
const identities = ['cart', 'shop'] as const;
const node = { id: 'cart-1', cluster: 'cart' };
const keyOf = (identity: string, turn: number): string => `the private key of ${identity}, number ${turn}`;

function secret(identity: string, turn: number, name = 'mesh:identity'): Resource {
  const bytes = protos.encode(SDS, { name, genericSecret: { secret: { inlineString: keyOf(identity, turn) } } });
  return resource(SDS, name, { bytes });
}

function createOwners() {
  const views = Object.fromEntries(
    identities.map((one) => [principal(one).id, createStaticViews([secret(one, 1)], `view of ${one}`)]),
  );
  const tokens = Object.fromEntries(identities.map((one) => [one, principal(one)]));
  return { views, tokens, callers: createKnownCallers({ views, tokens }) };
}

for (const { transport, workers } of [
  { transport: 'http2', workers: 0 },
  { transport: 'grpc-js', workers: 0 },
  { transport: 'http2', workers: 2 },
] as const)
  describeWithOpenssl(`secrets over TLS, ${transport}${workers > 0 ? `, ${workers} workers` : ''}`, () => {
    let place: TempDir;
    let authority: Authority;
    let files: { readonly cert: string; readonly key: string };
    let secure: ChannelCredentials;

    beforeAll(() => {
      place = createTempDir('xds-secrets');
      authority = createAuthority(place.path);
      files = authority.leaf('server', 'IP:127.0.0.1');
      secure = credentials.createSsl(readFileSync(authority.ca));
    });
    afterAll(() => place.remove());

    const run = (callers: KnownCallers, more: Parameters<typeof runServer>[1] = {}, deps = {}) =>
      runServer(callers, { transport, workers, drainMs: 100, tls: files, ...more }, deps);
    const open = (port: number, channel: Channel, token: string, more: Partial<ConnectOptions> = {}) =>
      connect({
        ...{ port, channel, type: SDS, node, headers: { authorization: `Bearer ${token}` }, security: secure },
        ...more,
      });
    const ask = (channel: Channel, ...names: readonly string[]) => ({
      type_url: SDS,
      [channel.variant === 'sotw' ? 'resource_names' : 'resource_names_subscribe']: names,
    });

    it.each([
      { variant: 'sotw', aggregated: true },
      { variant: 'delta', aggregated: true },
      { variant: 'delta', aggregated: false },
    ] as const)(
      'T1: each gets its own under a name that all ask for: $variant, aggregated $aggregated',
      async (channel) => {
        const { views, callers } = createOwners();
        await using server = await run(callers);
        const clients = [...identities, ...identities].map((identity) => ({
          identity,
          client: open(server.port, channel, identity),
        }));
        for (const turn of [1, 2]) {
          for (const { identity, client } of clients) {
            if (turn === 1) client.send(ask(channel, 'mesh:identity'));
            const { resources, nonce } = await client.next();
            expect(resources.map(({ content }) => content).join()).toContain(keyOf(identity, turn));
            client.send({
              ...(channel.variant === 'sotw' ? ask(channel, 'mesh:identity') : { type_url: SDS }),
              response_nonce: nonce,
            });
          }
          for (const identity of identities) views[principal(identity).id]?.publish([secret(identity, turn + 1)]);
        }
        for (const { client } of clients) await client[Symbol.asyncDispose]();
      },
    );

    it('T1: nothing of it without TLS, whoever it is', async () => {
      const { callers } = createOwners();
      await using server = await runServer(callers, { transport, workers, drainMs: 100 });
      const channel = { variant: 'delta', aggregated: true } as const;
      await using client = open(server.port, channel, 'cart', { security: credentials.createInsecure() });
      client.send(ask(channel, 'mesh:identity'));
      expect(await client.next()).toMatchObject({ resources: [], removed: ['mesh:identity'] });
    });

    it('T21: client status and logs have not a byte of it, nor has what a refusal quotes', async () => {
      const lines: string[] = [];
      const keep = (...line: unknown[]): void => void lines.push(JSON.stringify(line));
      const log = { ...silentLogger, info: keep, warn: keep, error: keep, debug: keep, child: () => log };
      const { callers } = createOwners();
      await using server = await run(
        callers,
        {},
        { log, askerOf: async () => ({ kind: 'role', role: 'reader', name: 'people' }) },
      );
      const channel = { variant: 'delta', aggregated: true } as const;
      await using client = open(server.port, channel, 'cart');
      client.send(ask(channel, 'mesh:identity'));
      const { nonce } = await client.next();
      const quoted = `Failed to load: "${keyOf('cart', 1)} and then some more of it, quoted"`;
      client.send({ type_url: SDS, response_nonce: nonce, error_detail: { message: quoted } });
      await eventually(() => server.events.some(({ kind }) => kind === 'nack'));
      const service = 'envoy.service.status.v3';
      await using people = call(
        server.port,
        {
          path: `/${service}.ClientStatusDiscoveryService/StreamClientStatus`,
          ...{ request: `${service}.ClientStatusRequest`, response: `${service}.ClientStatusResponse` },
        },
        { authorization: 'Bearer people' },
        secure,
      );
      people.send({});
      const told = await people.next();
      expect(told).toMatchObject({
        config: [{ genericXdsConfigs: [{ name: 'mesh:identity', configStatus: 'ERROR' }] }],
      });
      const all = JSON.stringify([told, lines, server.events.map((event) => ({ ...event }))]);
      expect(all).not.toContain('private key of');
      expect(all).toContain('[left out]');
    });

    it('T14: a client certificate is told as it came, and asked about with every stream', async () => {
      const { views, tokens } = createOwners();
      const mine = authority.leaf('cart', 'URI:spiffe://test/svc/cart');
      let endsMs = Date.now() + 3_600_000;
      const callers = createKnownCallers({
        ...{ views, tokens },
        certificate(der) {
          const leaf = new X509Certificate(der);
          if (leaf.subjectAltName !== 'URI:spiffe://test/svc/cart') throw new Error('another one');
          return principal('cart', { notAfterMs: endsMs, credential: { kind: 'certificate', id: leaf.serialNumber } });
        },
      });
      await using server = await run(callers, { tls: { ...files, clientCa: authority.ca } });
      const security = credentials.createSsl(
        readFileSync(authority.ca),
        readFileSync(mine.key),
        readFileSync(mine.cert),
      );
      const channel = { variant: 'delta', aggregated: true } as const;
      await using first = open(server.port, channel, 'cart', { headers: {}, security });
      first.send(ask(channel, 'mesh:identity'));
      expect((await first.next()).resources[0]?.content).toContain(keyOf('cart', 1));
      expect(callers.asked).toMatchObject([{ tls: true, authorization: [] }]);
      // The connection goes on; what it was opened with does not count any more.
      endsMs = Date.now() - 1;
      await using second = open(server.port, channel, 'cart', { headers: {}, security, on: first });
      second.send(ask(channel, 'mesh:identity'));
      expect(await second.ended()).toMatchObject({ code: status.UNAUTHENTICATED });
      expect(second.waiting()).toBe(0);
      expect(first.call.getPeer()).toBe(second.call.getPeer());
    });

    it('T2: where certificates are optional, one of another authority proves nothing', async () => {
      const stranger = createAuthority(place.path, 'stranger').leaf('false-cart', 'URI:spiffe://test/svc/cart');
      const mine = authority.leaf('cart', 'URI:spiffe://test/svc/cart');
      const { views, tokens } = createOwners();
      const callers = createKnownCallers({ ...{ views, tokens }, certificate: () => principal('cart') });
      const tls = { ...files, clientCa: authority.ca, clientCertificates: 'optional' } as const;
      await using server = await run(callers, { tls });
      const channel = { variant: 'delta', aggregated: true } as const;
      const shows = ({ cert, key }: { readonly cert: string; readonly key: string }) =>
        credentials.createSsl(readFileSync(authority.ca), readFileSync(key), readFileSync(cert));
      const outcome = async (security: ChannelCredentials, headers: Readonly<Record<string, string>>) => {
        await using client = open(server.port, channel, '', { headers, security });
        client.send(ask(channel, 'mesh:identity'));
        const answer = client.next().then(({ resources }) => resources[0]?.content ?? '');
        return await Promise.race([answer, client.ended().then(({ code }) => status[code])]);
      };
      const cart = { authorization: 'Bearer cart' };
      expect(await outcome(shows(mine), {})).toContain(keyOf('cart', 1));
      expect(await outcome(shows(stranger), {})).toBe('UNAUTHENTICATED');
      expect(await outcome(secure, {})).toBe('UNAUTHENTICATED');
      expect(await outcome(secure, cart)).toContain(keyOf('cart', 1));
      expect(callers.asked.map(({ certificate }) => certificate !== undefined)).toEqual([true, false, false, false]);
    });
  });
