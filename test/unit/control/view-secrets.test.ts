// Views with certificates: whose they are, and what becomes of them when the World or the proxy changes.
import { describe, expect, it } from 'vitest';
import type { EdgeCertificates } from '../../../src/control/edge-certificates.ts';
import { createSecrets } from '../../../src/control/secrets.ts';
import { createViews } from '../../../src/control/views.ts';
import type { Certificate } from '../../../src/model/certificate.ts';
import type { Gateway } from '../../../src/model/gateway.ts';
import { type ServiceId, serviceId } from '../../../src/model/names.ts';
import type { World } from '../../../src/model/world.ts';
import type { View } from '../../../src/resources/resource.ts';
import { identitySecret, rootsSecret } from '../../../src/resources/secret-names.ts';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import type { Translator } from '../../../src/translate/contract.ts';
import type { ProxyProfile } from '../../../src/translate/profile.ts';
import { silentLogger } from '../../../src/util/log.ts';
import { createFakeAuthority, plainSecrets } from '../../support/authority.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { testWorld } from '../../support/worlds.ts';

const nothing: Translator = {
  view: () => ({ resources: new Map(), problems: [] }),
  endpoints: () => new Map(),
  endpointFacts: () => nothing,
  counters: { ran: new Map(), encoded: new Map() },
};
const sidecar = (service: string, port = 1): ProxyProfile => ({
  role: 'sidecar',
  service: serviceId('default', service),
  inbound: [{ address: '127.0.0.1', port, appAddress: '127.0.0.1', appPort: 2 }],
  upstreams: [],
});
const meshOf = (mesh: Partial<World['mesh']>): World => {
  const world = testWorld({});
  return { ...world, mesh: { ...world.mesh, mtls: 'strict', ...mesh } };
};

function rig(world = meshOf({})) {
  const clock = createFakeClock();
  const authority = createFakeAuthority(clock, 1_000_000);
  const secrets = createSecrets({ clock, random: () => 0, log: silentLogger, authority, encode: plainSecrets });
  return { clock, authority, views: createViews(nothing, world, secrets) };
}

const identityIn = (view: View): string | undefined => {
  const secret = view.get(typeUrls.secret, identitySecret);
  return secret === undefined ? undefined : Buffer.from(secret.bytes).toString();
};

describe('the secrets of views', () => {
  it('T1: are of their own proxies, never of others', async () => {
    const { clock, views } = rig();
    const profiles = [sidecar('web'), sidecar('api'), { role: 'gateway', gateway: 'web' } as const];
    const opened = profiles.map((profile) => views.open(profile, () => {}));
    await clock.settle();
    const found = opened.map(({ view }) => identityIn(view));
    expect(found.map((text) => text?.split(' ')[0])).toEqual([
      'spiffe://service.local/svc/web',
      'spiffe://service.local/svc/api',
      'spiffe://service.local/gateway/web',
    ]);
  });

  it('are told when they come, and only to whose they are', async () => {
    const { clock, views } = rig();
    const told: string[] = [];
    views.open(sidecar('web'), (changed) => told.push(...changed.map(({ name }) => `web ${name}`)));
    await clock.settle();
    views.open(sidecar('api'), (changed) => told.push(...changed.map(({ name }) => `api ${name}`)));
    await clock.settle();
    expect(told).toEqual([
      `web ${identitySecret}`,
      `web ${rootsSecret}`,
      `api ${identitySecret}`,
      `api ${rootsSecret}`,
    ]);
  });

  it('are one for each instance of a service, with a key of its own', async () => {
    const { clock, views } = rig();
    const [one, two] = [views.open(sidecar('web', 1), () => {}), views.open(sidecar('web', 2), () => {})];
    await clock.settle();
    expect(identityIn(one.view)).not.toBe(identityIn(two.view));
  });

  it('are not there for gRPC clients, and for a name that no certificate can bear', async () => {
    const { clock, authority, views } = rig();
    const others = [
      views.open({ role: 'proxyless', service: 'web' as ServiceId }, () => {}),
      views.open(sidecar('we b'), () => {}),
    ];
    await clock.settle();
    for (const { view } of others) expect([...view.names(typeUrls.secret)]).toEqual([]);
    expect(authority.asked).toEqual([]);
  });

  it('are there before the Mesh speaks mutual TLS: whoever starts with it has them', async () => {
    const { clock, views } = rig(meshOf({ mtls: 'off' }));
    const opened = views.open(sidecar('web'), () => {});
    await clock.settle();
    const before = identityIn(opened.view);
    expect(before).toContain('spiffe://service.local/svc/web');
    views.publishContent(meshOf({ mtls: 'strict' }));
    expect(identityIn(opened.view)).toBe(before);
  });

  it('follow another trust domain', async () => {
    const { clock, views } = rig();
    const opened = views.open(sidecar('web'), () => {});
    await clock.settle();
    views.publishContent(meshOf({ trustDomain: 'other' }));
    await clock.settle();
    expect(identityIn(opened.view)).toContain('spiffe://other/svc/web');
  });

  it('are issued anew for a proxy that becomes another, and gone with the last one', async () => {
    const { clock, views } = rig();
    const opened = views.open(sidecar('web', 1), () => {});
    await clock.settle();
    expect(opened.move(sidecar('web', 2))).toBe(true);
    await clock.settle();
    expect(identityIn(opened.view)).toContain('spiffe://service.local/svc/web 2');
    opened.close();
    expect(clock.pending()).toBe(0);
  });
});

describe('what edges show to clients', () => {
  const certificate = (name: string): Certificate => ({
    ...{ namespace: 'default', name, provenance: { source: '', file: '', line: 0, column: 0, object: '' } },
    from: { kind: 'files', cert: `/${name}`, key: `/${name}.key` },
  });
  const gateway = (name: string, ...certificates: readonly string[]): Gateway => ({
    ...{ namespace: 'default', name },
    listeners: certificates.map((one, index) => ({
      ...{ name: one, address: '0.0.0.0', port: 443 + index, protocol: 'https', hosts: [] },
      tls: { certificate: one, client: 'none' },
    })),
  });
  const named = (...gateways: readonly Gateway[]): World => ({
    ...meshOf({ mtls: 'off' }),
    gateways: new Map(gateways.map((one) => [one.name, one])),
    certificates: new Map(['shop', 'admin', 'spare'].map((name) => [name, certificate(name)])),
  });

  function edgeRig(world: World) {
    const { clock, authority } = rig();
    const secrets = createSecrets({ clock, random: () => 0, log: silentLogger, authority, encode: plainSecrets });
    const versions = new Map([...world.certificates.keys()].map((name) => [name, 1]));
    const listeners: ((names: readonly string[]) => void)[] = [];
    const edge: EdgeCertificates = {
      follow: () => {},
      secret: (name) =>
        plainSecrets.edge(certificate(name), {
          chain: [Buffer.from(`${name} ${versions.get(name)}`)],
          key: new Uint8Array(0),
        }),
      onChange(listener) {
        listeners.push(listener);
        return () => {};
      },
      problems: () => [],
      run: async () => {},
    };
    const renew = (name: string): void => {
      versions.set(name, (versions.get(name) ?? 0) + 1);
      for (const listener of listeners) listener([name]);
    };
    return { clock, renew, views: createViews(nothing, world, secrets, edge) };
  }
  const edgesIn = (view: View): string[] =>
    [...view.names(typeUrls.secret)].filter((name) => name.startsWith('edge/')).sort();

  it('T1: goes to the gateway whose listeners name it, and to nobody else', () => {
    const { views } = edgeRig(named(gateway('public', 'shop'), gateway('inside', 'admin', 'shop'), gateway('none')));
    const view = (profile: ProxyProfile): View => views.open(profile, () => {}).view;
    expect(edgesIn(view({ role: 'gateway', gateway: 'public' }))).toEqual(['edge/default/shop']);
    expect(edgesIn(view({ role: 'gateway', gateway: 'inside' }))).toEqual(['edge/default/admin', 'edge/default/shop']);
    for (const profile of [
      ...(['none', 'unknown'] as const).map((name) => ({ role: 'gateway', gateway: name }) as const),
      sidecar('public'),
      { role: 'proxyless' } as const,
    ]) {
      const other = view(profile);
      expect(edgesIn(other)).toEqual([]);
      expect(other.get(typeUrls.secret, 'edge/default/shop')).toBeUndefined();
    }
  });

  it('is told of when it is renewed, to those alone who have it', () => {
    const { views, renew } = edgeRig(named(gateway('public', 'shop'), gateway('inside', 'admin')));
    const told: string[] = [];
    const opened = ['public', 'inside'].map((name) =>
      views.open({ role: 'gateway', gateway: name }, (changed) =>
        told.push(...changed.map((ref) => `${name} ${ref.name}`)),
      ),
    );
    told.length = 0;
    renew('shop');
    expect(told).toEqual(['public edge/default/shop']);
    expect(opened[0]?.view.get(typeUrls.secret, 'edge/default/shop')?.version).toBe('shop 2');
  });

  it('T1: is taken away when no listener names it any more', () => {
    const { views } = edgeRig(named(gateway('public', 'shop')));
    const told: string[] = [];
    const opened = views.open({ role: 'gateway', gateway: 'public' }, (changed) =>
      told.push(...changed.map(({ name }) => name)),
    );
    views.publishContent(named(gateway('public', 'admin')));
    expect(told.sort()).toEqual(['edge/default/admin', 'edge/default/shop']);
    expect(edgesIn(opened.view)).toEqual(['edge/default/admin']);
  });

  it('comes with the roots, which clients are asked by, also where the mesh is in plaintext', async () => {
    const { clock, views } = edgeRig(named(gateway('public', 'shop')));
    const opened = views.open({ role: 'gateway', gateway: 'public' }, () => {});
    await clock.settle();
    expect(opened.view.get(typeUrls.secret, rootsSecret)).toBeDefined();
  });
});
