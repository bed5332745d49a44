// Two sidecars, real Envoys, with clusters, listeners and secrets from our server: nothing is put to use before its
// certificate is there, and neither new certificates, nor another authority, nor another mode costs a request.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { nextWorld } from '../../../src/model/next-world.ts';
import type { Resource } from '../../../src/resources/resource.ts';
import type { ProxyProfile } from '../../../src/translate/profile.ts';
import { createSecretEncoder } from '../../../src/translate/secrets.ts';
import { createTranslator } from '../../../src/translate/translate.ts';
import { startBackend } from '../../support/backends.ts';
import { registryServices } from '../../support/case-file.ts';
import { type Authority, createAuthority, describeWithOpenssl } from '../../support/certificates.ts';
import { ask, startLoad } from '../../support/load.ts';
import { objectSnapshot, registrySnapshot } from '../../support/objects.ts';
import { testProtos } from '../../support/protos.ts';
import { describeWith, eventuallyPasses, freePorts, startEnvoy } from '../../support/real-parts.ts';
import { createStaticViews } from '../../support/static-views.ts';
import { createTempDir } from '../../support/temp-dir.ts';
import { bootstrap, type Channel } from './envoy-world.ts';
import { runServer } from './running-server.ts';

const secrets = createSecretEncoder({ protos: testProtos() });
const der = (file: string): Uint8Array => new X509Certificate(readFileSync(file)).raw;
let leaves = 0;

/** A new certificate of the service each time. */
function identity(authority: Authority, service: string): Resource {
  const leaf = authority.leaf(`leaf-${leaves++}`, `URI:spiffe://service.local/svc/${service}`);
  const key = createPrivateKey(readFileSync(leaf.key)).export({ type: 'pkcs8', format: 'der' });
  return secrets.identity([der(leaf.cert)], key);
}

const roots = (...authorities: readonly Authority[]): Resource => secrets.roots(authorities.map(({ ca }) => der(ca)));

interface Places {
  readonly outbound: number;
  readonly inbound: number;
  readonly app: number;
}

/** What a sidecar is to have, without its secrets. */
function configuration(mtls: 'strict' | 'permissive', { outbound, inbound, app }: Places) {
  const world = nextWorld(undefined, {
    certificates: true,
    registries: [
      {
        ...registrySnapshot({}),
        services: registryServices({ api: [{ address: '127.0.0.1', port: app, proxyPort: inbound, localPort: app }] }),
      },
    ],
    objects: [
      objectSnapshot({
        'a.yaml': `{apiVersion: chancery/v1, kind: Mesh, metadata: {name: mesh}, spec: {mtls: ${mtls}}}`,
      }),
    ],
  });
  const translator = createTranslator({ protos: testProtos() });
  const own = { role: 'sidecar', upstreams: [] } as const;
  const of = (profile: ProxyProfile): Resource[] => [
    ...[...translator.view(world, profile).resources.values()].flatMap((map) => [...map.values()]),
    ...translator.endpoints(world).values(),
  ];
  return {
    caller: of({ ...own, service: 'web' as never, inbound: [], outbound: { address: '127.0.0.1', port: outbound } }),
    callee: of({
      ...own,
      service: 'api' as never,
      inbound: [{ address: '127.0.0.1', port: inbound, appAddress: '127.0.0.1', appPort: app }],
    }),
  };
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
        const publish = (config: typeof strict, bundle: Resource, authority: Authority): void => {
          views.caller.publish([...config.caller, identity(authority, 'web'), bundle]);
          views.callee.publish([...config.callee, identity(authority, 'api'), bundle]);
        };

        // Both know all but their secrets: what needs one waits, and nothing is open.
        await eventuallyPasses(async () => {
          expect(await caller.stat('cluster_manager.warming_clusters')).toBe(1);
          expect(await callee.stat('cluster_manager.warming_clusters')).toBe(1);
        });
        await expect(ask({ port: outbound, host: 'api' })).rejects.toThrow();
        await expect(ask({ port: inbound })).rejects.toThrow();
        publish(permissive, roots(one), one);
        await eventuallyPasses(async () => expect((await ask({ port: outbound, host: 'api' })).status).toBe(200));
        expect((await ask({ port: inbound })).status).toBe(200);
        expect(await caller.stat('cluster.api.ssl.handshake')).toBeGreaterThan(0);

        const load = startLoad({ port: outbound, host: 'api', perSecond: 200, maxSeconds: 60 });
        const updates = () =>
          callee.stat(
            'listener.inbound_'.concat(String(inbound), '.server_ssl_socket_factory.ssl_context_update_by_sds'),
          );
        const steps: readonly (readonly [Resource, Authority])[] = [
          [roots(one), one],
          [roots(one, two), one],
          [roots(one, two), two],
          [roots(two), two],
        ];
        for (const [bundle, authority] of steps) {
          const before = await updates();
          publish(permissive, bundle, authority);
          await eventuallyPasses(async () => expect(await updates()).toBeGreaterThan(before));
          // Each step is one of its own: the other Envoy has it too before the next begins.
          await eventuallyPasses(async () =>
            expect(await caller.adminGet('/certs')).toContain(
              new X509Certificate(readFileSync(authority.ca)).serialNumber.toLowerCase(),
            ),
          );
        }

        // The last plaintext caller has gone: strict closes its way, and no connection that is in mutual TLS.
        const connections = await caller.stat('cluster.api.upstream_cx_total');
        views.caller.publish([...strict.caller, identity(two, 'web'), roots(two)]);
        views.callee.publish([...strict.callee, identity(two, 'api'), roots(two)]);
        await eventuallyPasses(async () => {
          await expect(ask({ port: inbound })).rejects.toThrow();
        });
        expect(await callee.stat('listener_manager.listener_in_place_updated')).toBe(1);
        const result = await load.stop();
        expect(result.failures).toEqual({});
        expect(result.sent).toBeGreaterThan(20);
        expect(await caller.stat('cluster.api.upstream_cx_total')).toBe(connections);
        expect((await ask({ port: outbound, host: 'api' })).status).toBe(200);
        for (const server of [callerServer, calleeServer])
          expect(server.events.filter(({ kind }) => kind === 'nack')).toEqual([]);
      },
    );
  });
});
