// Two sidecars, real Envoys, with clusters, listeners and secrets from our server: nothing is put to use before its
// certificate is there, and neither new certificates, nor another authority, nor another mode costs a request.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';
import { expect, it } from 'vitest';
import type { Resource } from '../../../src/resources/resource.ts';
import { createSecretEncoder } from '../../../src/translate/secrets.ts';
import { startBackend } from '../../support/backends.ts';
import { type Authority, createAuthority, describeWithOpenssl } from '../../support/certificates.ts';
import { ask, startLoad } from '../../support/load.ts';
import { testProtos } from '../../support/protos.ts';
import { describeWith, eventuallyPasses, freePorts, startEnvoy } from '../../support/real-parts.ts';
import { createStaticViews } from '../../support/static-views.ts';
import { createTempDir } from '../../support/temp-dir.ts';
import { bootstrap, type Channel } from './envoy-world.ts';
import { runServer } from './running-server.ts';
import { type Places, type SidecarPair, sidecarPair } from './sidecar-pair.ts';

const secrets = createSecretEncoder({ protos: testProtos() });
const der = (file: string): Uint8Array => new X509Certificate(readFileSync(file)).raw;
let leaves = 0;

/** A new certificate of the service each time. */
function identity(authority: Authority, service: string): { readonly secret: Resource; readonly serial: string } {
  const leaf = authority.leaf(`leaf-${leaves++}`, `URI:spiffe://service.local/svc/${service}`);
  const key = createPrivateKey(readFileSync(leaf.key)).export({ type: 'pkcs8', format: 'der' });
  const { raw, serialNumber } = new X509Certificate(readFileSync(leaf.cert));
  return { secret: secrets.identity([raw], key), serial: serialNumber.toLowerCase() };
}

const roots = (...authorities: readonly Authority[]): Resource => secrets.roots(authorities.map(({ ca }) => der(ca)));

/** A connection in mutual TLS, as another sidecar would hold it. */
async function keptConnection(port: number, authority: Authority) {
  const leaf = authority.leaf(`leaf-${leaves++}`, 'URI:spiffe://service.local/svc/friend');
  const socket = connect({
    ...{ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['chancery', 'http/1.1'] },
    ...{ cert: readFileSync(leaf.cert), key: readFileSync(leaf.key) },
  });
  await once(socket, 'secureConnect');
  return {
    async ask(): Promise<string> {
      socket.write('GET / HTTP/1.1\r\nhost: api\r\n\r\n');
      const [answer] = (await once(socket, 'data')) as [Buffer];
      return answer.toString();
    },
    close: () => socket.destroy(),
  };
}

/** What the sidecars are to have, without their secrets. */
function configuration(mtls: 'strict' | 'permissive' | 'off', places: Places, certificates = true): SidecarPair {
  const text =
    `{apiVersion: chancery/v1, kind: Mesh, metadata: {name: mesh}, spec: {mtls: ${mtls}}}\n---\n` +
    // Connections end soon, so that every certificate is put to use.
    '{apiVersion: chancery/v1, kind: Service, metadata: {name: api}, spec: {timeouts: {idle: 20ms}}}';
  return sidecarPair(places, { 'a.yaml': text }, certificates);
}

const cases: readonly (readonly [Channel['variant'], string])[] = [
  ['delta', 'newest'],
  ['sotw', 'newest'],
  ['delta', 'oldest'],
];

describeWithOpenssl('mutual TLS by SDS', () => {
  describeWith(['envoy', 'envoy-oldest'], 'on real Envoys', () => {
    it.each(cases)(
      'loses no request, whatever of it changes: %s, %s',
      { timeout: 90_000 },
      async (variant, version) => {
        using place = createTempDir('sds');
        const [one, two] = [createAuthority(place.path, 'one'), createAuthority(place.path, 'two')];
        await using backend = await startBackend('api');
        const [outbound = 0, inbound = 0] = await freePorts(2);
        const places = { outbound, inbound, app: backend.port };
        const permissive = configuration('permissive', places);
        const strict = configuration('strict', places);

        const channel = { variant, aggregated: true };
        const views = { caller: createStaticViews(permissive.caller), callee: createStaticViews(permissive.callee) };
        await using callerServer = await runServer(views.caller);
        await using calleeServer = await runServer(views.callee);
        const options = { ...(version === 'oldest' ? { bin: 'oldest' } : {}), waitFor: 'admin' } as const;
        await using caller = await startEnvoy(bootstrap(channel, callerServer.port), options);
        await using callee = await startEnvoy(bootstrap(channel, calleeServer.port), options);
        /** Ends when both Envoys use their new certificates, and with them the roots, which come in the same message. */
        const publish = async (config: typeof strict, bundle: Resource, authority: Authority): Promise<void> => {
          const own = { caller: identity(authority, 'web'), callee: identity(authority, 'api') };
          views.caller.publish([...config.caller, own.caller.secret, bundle]);
          views.callee.publish([...config.callee, own.callee.secret, bundle]);
          await eventuallyPasses(async () => {
            expect(await caller.adminGet('/certs')).toContain(own.caller.serial);
            expect(await callee.adminGet('/certs')).toContain(own.callee.serial);
          });
        };

        // Both know all but their secrets: what needs one waits, and nothing is open.
        await eventuallyPasses(async () => {
          expect(await caller.stat('cluster_manager.warming_clusters')).toBe(1);
          expect(await callee.stat('cluster_manager.warming_clusters')).toBe(1);
        });
        await expect(ask({ port: outbound, host: 'api' })).rejects.toThrow();
        await expect(ask({ port: inbound })).rejects.toThrow();
        await publish(permissive, roots(one), one);
        await eventuallyPasses(async () => expect((await ask({ port: outbound, host: 'api' })).status).toBe(200));
        expect((await ask({ port: inbound })).status).toBe(200);
        expect(await caller.stat('cluster.api.ssl.handshake')).toBeGreaterThan(0);

        const load = startLoad({ port: outbound, host: 'api', perSecond: 40, maxSeconds: 60 });
        const steps: readonly (readonly [Resource, Authority])[] = [
          [roots(one), one],
          [roots(one, two), one],
          [roots(one, two), two],
          [roots(two), two],
        ];
        for (const [bundle, authority] of steps) {
          await publish(permissive, bundle, authority);
          const before = await caller.stat('cluster.api.ssl.handshake');
          await eventuallyPasses(async () =>
            expect(await caller.stat('cluster.api.ssl.handshake')).toBeGreaterThan(before + 2),
          );
        }

        // The last plaintext caller has gone: strict closes its way, and no connection that is in mutual TLS.
        const warm = await keptConnection(inbound, two);
        expect(await warm.ask()).toContain('200 OK');
        await publish(strict, roots(two), two);
        await eventuallyPasses(async () => {
          await expect(ask({ port: inbound })).rejects.toThrow();
        });
        expect(await callee.stat('listener_manager.listener_in_place_updated')).toBe(1);
        expect(await warm.ask()).toContain('200 OK');
        warm.close();
        const result = await load.stop();
        expect(result.failures).toEqual({});
        expect(result.sent).toBeGreaterThan(20);
        expect((await ask({ port: outbound, host: 'api' })).status).toBe(200);
        for (const server of [callerServer, calleeServer])
          expect(server.events.filter(({ kind }) => kind === 'nack')).toEqual([]);
      },
    );

    it.each([undefined, 'oldest'])(
      'T24: a caller in mutual TLS never falls back: who takes plaintext only gets nothing, and who is off takes both: %s',
      { timeout: 60_000 },
      async (bin) => {
        using place = createTempDir('behind');
        const authority = createAuthority(place.path, 'one');
        await using backend = await startBackend('api');
        const [outbound = 0, inbound = 0] = await freePorts(2);
        const places = { outbound, inbound, app: backend.port };
        const [permissive, off] = [configuration('permissive', places), configuration('off', places)];
        const plain = configuration('off', places, false);
        const own = (service: string): Resource[] => [identity(authority, service).secret, roots(authority)];
        const calleeViews = createStaticViews(plain.callee);
        await using callerServer = await runServer(createStaticViews([...permissive.caller, ...own('web')]));
        await using calleeServer = await runServer(calleeViews);
        const channel = { variant: 'delta', aggregated: true } as const;
        const options = { ...(bin === undefined ? {} : { bin }), waitFor: 'admin' } as const;
        await using caller = await startEnvoy(bootstrap(channel, callerServer.port), options);
        await using _callee = await startEnvoy(bootstrap(channel, calleeServer.port), options);
        await eventuallyPasses(async () => {
          expect((await ask({ port: inbound })).status).toBe(200);
          expect((await ask({ port: outbound, host: 'api' })).status).toBe(503);
        });
        const requests = backend.requests();
        for (let n = 0; n < 5; n++) expect((await ask({ port: outbound, host: 'api' })).status).toBe(503);
        expect(backend.requests()).toBe(requests);
        expect(await caller.stat('cluster.api.ssl.handshake')).toBe(0);

        calleeViews.publish([...off.callee, ...own('api')]);
        await eventuallyPasses(async () => expect((await ask({ port: outbound, host: 'api' })).status).toBe(200));
        expect(await caller.stat('cluster.api.ssl.handshake')).toBeGreaterThan(0);
      },
    );
  });
});
