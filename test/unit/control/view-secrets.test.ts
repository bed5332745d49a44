// Views with certificates: whose they are, and what becomes of them when the World or the proxy changes.
import { describe, expect, it } from 'vitest';
import { createSecrets } from '../../../src/control/secrets.ts';
import { createViews } from '../../../src/control/views.ts';
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
import { testService, testWorld } from '../../support/worlds.ts';

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

  it('are not there without mutual TLS, for gRPC clients, and for a name that no certificate can bear', async () => {
    const off = rig(meshOf({ mtls: 'off' }));
    const plain = off.views.open(sidecar('web'), () => {});
    const { clock, authority, views } = rig();
    const others = [
      views.open({ role: 'proxyless', service: 'web' as ServiceId }, () => {}),
      views.open(sidecar('we b'), () => {}),
    ];
    await clock.settle();
    await off.clock.settle();
    for (const { view } of [plain, ...others]) expect([...view.names(typeUrls.secret)]).toEqual([]);
    expect(authority.asked).toEqual([]);
  });

  it('are there where the Mesh says off and one Service says otherwise: what names them would wait', async () => {
    const off = meshOf({ mtls: 'off' });
    const services = new Map([[serviceId('default', 'api'), testService('api', { tls: 'permissive' })]]);
    const { clock, views } = rig({ ...off, services });
    const opened = views.open(sidecar('web'), () => {});
    await clock.settle();
    expect(identityIn(opened.view)).toContain('spiffe://service.local/svc/web');
    views.publishContent(off);
    expect(identityIn(opened.view)).toBeUndefined();
  });

  it('follow another trust domain, and go when mutual TLS is switched off', async () => {
    const { clock, views } = rig();
    const told: string[] = [];
    const opened = views.open(sidecar('web'), (changed) => told.push(...changed.map(({ name }) => name)));
    await clock.settle();
    views.publishContent(meshOf({ trustDomain: 'other' }));
    await clock.settle();
    expect(identityIn(opened.view)).toContain('spiffe://other/svc/web');
    told.length = 0;
    views.publishContent(meshOf({ mtls: 'off' }));
    expect(told).toEqual([identitySecret, rootsSecret]);
    expect(identityIn(opened.view)).toBeUndefined();
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
