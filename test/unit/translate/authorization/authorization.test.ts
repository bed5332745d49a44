import { describe, expect, it } from 'vitest';
import { serviceId } from '../../../../src/model/names.ts';
import { nextWorld } from '../../../../src/model/next-world.ts';
import type { World } from '../../../../src/model/world.ts';
import { createAccessTable } from '../../../../src/translate/authorization/table.ts';
import type { ProxyProfile } from '../../../../src/translate/profile.ts';
import { createTranslator } from '../../../../src/translate/translate.ts';
import { objectSnapshot, registrySnapshot } from '../../../support/objects.ts';
import { testProtos } from '../../../support/protos.ts';
import { testInstance } from '../../../support/worlds.ts';

const cart = serviceId('default', 'cart');

interface Given {
  readonly spec?: string;
  readonly mesh?: string;
  readonly service?: string;
  readonly certificates?: boolean;
  readonly services?: readonly string[];
}

function worldOf(
  { spec, mesh, service, certificates = true, services = ['cart', 'web'] }: Given,
  before?: World,
): World {
  const objects = [
    ...(spec === undefined ? [] : [`kind: Authorization\nmetadata: {name: cart}\nspec: {service: cart, ${spec}}\n`]),
    ...(mesh === undefined ? [] : [`kind: Mesh\nmetadata: {name: mesh}\nspec: ${mesh}\n`]),
    ...(service === undefined ? [] : [`kind: Service\nmetadata: {name: cart}\nspec: ${service}\n`]),
  ];
  return nextWorld(before, {
    registries: [registrySnapshot(Object.fromEntries(services.map((name) => [name, [testInstance(name)]])))],
    objects: [
      objectSnapshot(Object.fromEntries(objects.map((text, i) => [`${i}.yaml`, `apiVersion: chancery/v1\n${text}`]))),
    ],
    certificates,
  });
}

const accessOf = (given: Given) => createAccessTable(new Map()).of(worldOf(given), cart);
const allowWeb = 'allow: [{from: [web]}]';
const nothing = { requests: undefined, connections: undefined };

describe('access to a service', () => {
  it('is a policy that comes with the routes, and a filter for connections', () => {
    const rules = {
      action: 'DENY',
      policies: {
        'not-allowed': {
          permissions: [{ any: true }],
          principals: [{ notId: { authenticated: { principalName: { exact: 'spiffe://service.local/svc/web' } } } }],
        },
      },
    };
    expect(accessOf({ spec: allowWeb })).toEqual({
      requests: {
        'envoy.filters.http.rbac': {
          '@type': 'type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute',
          rbac: { rules, trackPerRuleStats: true },
        },
      },
      connections: {
        filter: {
          name: 'envoy.filters.network.rbac',
          typedConfig: {
            '@type': 'type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC',
            statPrefix: 'authorization.',
            rules,
          },
        },
        names: [{ exact: 'spiffe://service.local/svc/web' }],
        unnamed: false,
        counting: false,
      },
    });
  });

  it('is told by the trust domain of the Mesh', () => {
    const text = JSON.stringify(accessOf({ spec: allowWeb, mesh: '{trustDomain: other.example}' }));
    expect(text).toContain('"spiffe://other.example/svc/web"');
    expect(text).not.toContain('service.local');
  });

  it('is open without an Authorization', () => {
    expect(accessOf({})).toEqual(nothing);
  });

  it('T24: is the same where callers show no certificate: no rule that names them is met', () => {
    const { requests } = accessOf({ spec: allowWeb });
    expect(requests).toBeDefined();
    for (const off of [{ certificates: false }, { mesh: '{mtls: off}' }, { service: '{tls: none}' }])
      expect(accessOf({ spec: allowWeb, ...off }).requests).toEqual(requests);
  });

  it('of a service that says otherwise than the Mesh is not open', () => {
    expect(accessOf({ spec: allowWeb, mesh: '{mtls: off}', service: '{tls: permissive}' }).requests).toBeDefined();
  });

  it('enforces nothing of what is in shadow, and counts it', () => {
    const { requests, connections } = accessOf({ spec: `mode: shadow, ${allowWeb}` });
    expect(requests).toMatchObject({ 'envoy.filters.http.rbac': { rbac: { shadowRules: { action: 'DENY' } } } });
    expect(JSON.stringify([requests, connections])).not.toContain('"rules"');
    expect(connections).toMatchObject({ unnamed: true, counting: true });
    expect(connections).not.toHaveProperty('names');
  });

  it('stays the same object while nothing it depends on changes', () => {
    const ran = new Map<string, number>();
    const table = createAccessTable(ran);
    const first = worldOf({ spec: allowWeb });
    const access = table.of(first, cart);
    const second = worldOf({ spec: allowWeb, services: ['cart', 'web', 'api'] }, first);
    expect(second).not.toBe(first);
    table.sweep();
    expect(table.of(second, cart)).toBe(access);
    expect(ran.get('authorizations')).toBe(1);
    const third = worldOf({ spec: 'allow: [{from: [api]}]', services: ['cart', 'web', 'api'] }, second);
    expect(table.of(third, cart)).not.toEqual(access);
  });

  it('has a counter for a caller that comes, while something is in shadow', () => {
    const first = worldOf({ spec: 'mode: shadow, allow: [{from: [web]}]' });
    const table = createAccessTable(new Map());
    expect(JSON.stringify(table.of(first, cart))).not.toContain('service/api');
    const second = worldOf({ spec: 'mode: shadow, allow: [{from: [web]}]', services: ['cart', 'web', 'api'] }, first);
    expect(JSON.stringify(table.of(second, cart))).toContain('service/api');
  });
});

describe('a change of policy', () => {
  const profileOf = (name: string, port: number): ProxyProfile => ({
    ...{ role: 'sidecar', service: serviceId('default', name), upstreams: [] },
    inbound: [{ address: '127.0.0.1', port, appAddress: '127.0.0.1', appPort: 80 }],
  });
  const beside = profileOf('cart', 21_000);
  const other = profileOf('web', 21_001);

  /** Types of what of a view is another object after the change. */
  function changed(given: Given, spec: string, profile: ProxyProfile): readonly string[] {
    const translator = createTranslator({ protos: testProtos() });
    const first = worldOf(given);
    const before = translator.view(first, profile);
    const after = translator.view(worldOf({ ...given, spec }, first), profile);
    if (after === before) return ['nothing'];
    return [...after.resources].flatMap(([type, resources]) =>
      [...resources].some(([name, one]) => before.resources.get(type)?.get(name) !== one)
        ? [type.slice(type.lastIndexOf('.') + 1)]
        : [],
    );
  }

  it.each(['strict', 'permissive'])(
    'comes with the routes and touches no listener where requests are read: %s',
    (mtls) => {
      const mesh = `{mtls: ${mtls}}`;
      expect(changed({ spec: allowWeb, mesh }, 'allow: [{from: [api]}]', beside)).toEqual(['RouteConfiguration']);
      expect(changed({ spec: 'deny: [{from: [web]}]', mesh }, 'deny: [{from: [api]}]', beside)).toEqual([
        'RouteConfiguration',
      ]);
    },
  );

  it('replaces the listener of a service without requests', () => {
    expect(changed({ spec: allowWeb, service: '{protocol: tcp}' }, 'allow: [{from: [api]}]', beside)).toEqual([
      'Listener',
    ]);
  });

  it('touches no view of another service', () => {
    expect(changed({ spec: allowWeb }, 'allow: [{from: [api]}]', other)).toEqual(['nothing']);
  });
});
