// Connections in mutual TLS end though they are used all the time: a certificate is looked at when one begins. Two sidecars,
// real Envoys, on what the translator makes, with shorter times in it.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';
import { expect, it } from 'vitest';
import type { Resource } from '../../../src/resources/resource.ts';
import { connectionLifeMs } from '../../../src/translate/mutual-tls.ts';
import { createSecretEncoder } from '../../../src/translate/secrets.ts';
import { startBackend } from '../../support/backends.ts';
import { createAuthority, describeWithOpenssl } from '../../support/certificates.ts';
import { ask, startLoad } from '../../support/load.ts';
import { testProtos } from '../../support/protos.ts';
import { describeWith, eventuallyPasses, freePorts, startEnvoy } from '../../support/real-parts.ts';
import { createStaticViews } from '../../support/static-views.ts';
import { createTempDir } from '../../support/temp-dir.ts';
import { bootstrap } from './envoy-world.ts';
import { runServer } from './running-server.ts';
import { type Places, type SidecarPair, sidecarPair } from './sidecar-pair.ts';

/** A google.protobuf.Duration of whole seconds below 16,384 in two bytes of varint, so that no length around it changes. */
const seconds = (value: number): Buffer => Buffer.from([0x08, (value & 0x7f) | 0x80, value >> 7]);

/** The same resource with other times of connections: `first` for the caller's, `second` for the callee's. */
function shortened(resource: Resource, first: number, second: number): Resource {
  const bytes = Buffer.from(resource.bytes);
  for (const [from, to] of [
    [connectionLifeMs.caller / 1000, first],
    [connectionLifeMs.callee / 1000, second],
  ] as const) {
    const place = bytes.indexOf(seconds(from));
    if (place >= 0) seconds(to).copy(bytes, place);
  }
  return { ...resource, bytes };
}

function configuration(places: Places, life: readonly [number, number]): SidecarPair {
  const { caller, callee } = sidecarPair(places);
  const brief = (resource: Resource): Resource => shortened(resource, ...life);
  return { caller: caller.map(brief), callee: callee.map(brief) };
}

describeWithOpenssl('connections in mutual TLS', () => {
  describeWith(['envoy', 'envoy-oldest'], 'of real Envoys', () => {
    it.each([undefined, 'oldest'])(
      'end in time, by the caller first, and no request is lost by it: %s',
      { timeout: 60_000 },
      async (bin) => {
        using place = createTempDir('life');
        const authority = createAuthority(place.path, 'one');
        const secrets = createSecretEncoder({ protos: testProtos() });
        const leafOf = (service: string) => authority.leaf(service, `URI:spiffe://service.local/svc/${service}`);
        const secretsOf = (service: string): Resource[] => {
          const leaf = leafOf(service);
          const key = createPrivateKey(readFileSync(leaf.key)).export({ type: 'pkcs8', format: 'der' });
          const raw = (file: string): Uint8Array => new X509Certificate(readFileSync(file)).raw;
          return [secrets.identity([raw(leaf.cert)], key), secrets.roots([raw(authority.ca)])];
        };
        await using backend = await startBackend('api');
        const [outbound = 0, inbound = 0] = await freePorts(2);
        const { caller: callers, callee: callees } = configuration({ inbound, outbound, app: backend.port }, [1, 2]);
        const channel = { variant: 'delta', aggregated: true } as const;
        await using callerServer = await runServer(createStaticViews([...callers, ...secretsOf('web')]));
        await using calleeServer = await runServer(createStaticViews([...callees, ...secretsOf('api')]));
        const options = { ...(bin === undefined ? {} : { bin }), waitFor: 'admin' } as const;
        await using caller = await startEnvoy(bootstrap(channel, callerServer.port), options);
        await using callee = await startEnvoy(bootstrap(channel, calleeServer.port), options);
        await eventuallyPasses(async () => expect((await ask({ port: outbound, host: 'api' })).status).toBe(200));

        const load = startLoad({ port: outbound, host: 'api', perSecond: 100, maxSeconds: 40 });
        await eventuallyPasses(async () =>
          expect(await caller.stat('cluster.api.upstream_cx_max_duration_reached')).toBeGreaterThan(3),
        );
        expect(await caller.stat('cluster.api.ssl.handshake')).toBeGreaterThan(3);

        // Who would stay, as a thief would, is shown out by the callee.
        const thief = leafOf('thief');
        const socket = connect({
          ...{ port: inbound, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['chancery', 'http/1.1'] },
          ...{ cert: readFileSync(thief.cert), key: readFileSync(thief.key) },
        });
        await once(socket, 'secureConnect');
        const closed = once(socket, 'close');
        socket.on('data', () => undefined);
        socket.write('GET / HTTP/1.1\r\nhost: api\r\n\r\n');
        await closed;
        expect(await callee.stat(`http.inbound_${inbound}.downstream_cx_max_duration_reached`)).toBeGreaterThan(0);

        const result = await load.stop();
        expect(result.failures).toEqual({});
        expect(result.sent).toBeGreaterThan(100);
      },
    );
  });
});
