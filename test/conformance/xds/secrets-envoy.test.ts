// Real Envoys that prove who they are, each with a token, over TLS: T1 (the same name, to each its own key), T15 (the stream of
// a revoked one ends at once, and it goes on with what it has), T21 (what an Envoy says of a key that it refuses).
import { readFileSync } from 'node:fs';
import { connect as connectTls } from 'node:tls';
import { expect, it } from 'vitest';
import type { Resource } from '../../../src/resources/resource.ts';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import { type Authority, createAuthority, describeWithOpenssl } from '../../support/certificates.ts';
import { createKnownCallers, principal } from '../../support/known-callers.ts';
import { describeWith, eventually, eventuallyPasses, freePorts, startEnvoy } from '../../support/real-parts.ts';
import { createStaticViews, type StaticViews } from '../../support/static-views.ts';
import { createTempDir } from '../../support/temp-dir.ts';
import { fixedRoutes, listener, secret, tlsSocket } from './envoy-types-world.ts';
import { bootstrap, type Channel } from './envoy-world.ts';
import { runServer } from './running-server.ts';

const name = 'mesh:identity';

/** A bootstrap that says who it is with every stream, and knows the server by its authority. */
function withToken(
  channel: Channel,
  port: number,
  { token, ca }: { readonly token: string; readonly ca: string },
): object {
  const plain = JSON.parse(JSON.stringify(bootstrap(channel, port))) as {
    dynamic_resources: { ads_config: { grpc_services: [object] } };
    static_resources: { clusters: [object] };
  };
  const [service] = plain.dynamic_resources.ads_config.grpc_services;
  Object.assign(service, { initial_metadata: [{ key: 'authorization', value: `Bearer ${token}` }] });
  const [cluster] = plain.static_resources.clusters;
  Object.assign(cluster, {
    transport_socket: {
      name: 'envoy.transport_sockets.tls',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
        common_tls_context: {
          validation_context: { trusted_ca: { filename: ca } },
          tls_params: { tls_maximum_protocol_version: 'TLSv1_3' },
          alpn_protocols: ['h2'],
        },
      },
    },
  });
  return plain;
}

/** The name on the certificate that a listener shows. */
function shownName(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.once('error', reject);
  });
}

describeWithOpenssl('with certificates', () => {
  describeWith(['envoy', 'envoy-oldest'], 'real Envoys with tokens', () => {
    it.each([
      { bin: 'newest', variant: 'delta', workers: 2 },
      { bin: 'newest', variant: 'sotw', workers: 0 },
      { bin: 'oldest', variant: 'delta', workers: 0 },
    ] as const)(
      'T1, T15, T21: $bin $variant, $workers workers',
      { timeout: 40_000 },
      async ({ bin, variant, workers }) => {
        using dir = createTempDir('identities');
        const authority: Authority = createAuthority(dir.path);
        const server = authority.leaf('server', 'IP:127.0.0.1');
        const channel: Channel = { variant, aggregated: true };
        const [cartPort = 0, shopPort = 0] = await freePorts(2);
        const content = (own: Resource, port: number): Resource[] => [
          own,
          listener('in', {
            port,
            manager: fixedRoutes('hello'),
            transportSocket: tlsSocket(name),
            deps: [{ type: typeUrls.secret, name }],
          }),
        ];
        const leaf = (of: string): Resource => secret(name, authority.leaf(of, `DNS:${of}`));
        const cart: StaticViews = createStaticViews(content(leaf('cart-one'), cartPort), 'cart');
        const shop: StaticViews = createStaticViews(content(leaf('shop-one'), shopPort), 'shop');
        const callers = createKnownCallers({
          tokens: { cart: principal('cart'), shop: principal('shop') },
          views: { [principal('cart').id]: cart, [principal('shop').id]: shop },
        });
        await using plane = await runServer(callers, { tls: server, workers });
        const start = (token: string) =>
          startEnvoy(withToken(channel, plane.port, { token, ca: authority.ca }), bin === 'oldest' ? { bin } : {});
        await using cartEnvoy = await start('cart');
        await using _shopEnvoy = await start('shop');
        expect([await shownName(cartPort), await shownName(shopPort)]).toEqual(['cart-one', 'shop-one']);

        cart.publish(content(leaf('cart-two'), cartPort));
        await eventuallyPasses(async () => expect(await shownName(cartPort)).toBe('cart-two'));
        expect(await shownName(shopPort)).toBe('shop-one');

        // A key of another certificate: it is refused, and what is said of it holds nothing of it.
        const [mine, other] = ['mine', 'other'].map((of) => authority.leaf(of, 'DNS:x'));
        if (mine === undefined || other === undefined) throw new Error('no certificates');
        shop.publish(content(secret(name, { cert: mine.cert, key: other.key }), shopPort));
        const nack = await eventually(() => plane.events.find((event) => event.kind === 'nack'));
        expect(nack).toMatchObject({ type: typeUrls.secret, message: expect.stringMatching(/private key/i) });
        const [, line = ''] = readFileSync(other.key, 'utf8').split('\n');
        expect(JSON.stringify(nack)).not.toContain(line.slice(0, 24));
        expect(await shownName(shopPort)).toBe('shop-one');

        const before = callers.asked.length;
        callers.revoke('jti-cart');
        await eventually(() => plane.events.some((event) => event.kind === 'close'));
        // It comes back with the same token, which is good again here, and has lost nothing meanwhile.
        expect(await shownName(cartPort)).toBe('cart-two');
        await eventually(() => callers.asked.length > before);
        cart.publish(content(leaf('cart-three'), cartPort));
        await eventuallyPasses(async () => expect(await shownName(cartPort)).toBe('cart-three'));
        expect(await cartEnvoy.stat('listener_manager.total_listeners_draining')).toBe(0);
        expect(await shownName(shopPort)).toBe('shop-one');
      },
    );
  });
});
