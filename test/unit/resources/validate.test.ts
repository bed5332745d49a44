import { describe, expect, it } from 'vitest';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import { createValidator } from '../../../src/resources/validate.ts';
import { testProtos } from '../../support/protos.ts';

function violations(type: string, json: unknown): string[] {
  const protos = testProtos();
  return createValidator(protos)(protos.parse(type, json)).map(({ path, message }) => `${path} ${message}`);
}

const route = (match: object, action: object = { route: { cluster: 'a' } }) => ({
  name: 'r',
  virtualHosts: [{ name: 'v', domains: ['*'], routes: [{ match, ...action }] }],
});

describe("the protos' own rules", () => {
  it('let a good message pass', () => {
    expect(violations(typeUrls.routes, route({ prefix: '/' }))).toEqual([]);
    expect(violations(typeUrls.cluster, { name: 'a', connectTimeout: '1s' })).toEqual([]);
  });

  it.each<[string, string, object, string]>([
    ['text length', typeUrls.cluster, { name: '' }, 'name must not be empty'],
    ['list length', typeUrls.routes, { virtualHosts: [{ name: 'v' }] }, 'virtualHosts[0].domains needs at least 1'],
    ['durations', typeUrls.cluster, { name: 'a', connectTimeout: '0s' }, 'connectTimeout must be above'],
    ['oneofs', typeUrls.routes, route({}), 'virtualHosts[0].routes[0].match one of prefix'],
    [
      'required messages',
      typeUrls.routes,
      { virtualHosts: [{ name: 'v', domains: ['*'], routes: [{ redirect: {} }] }] },
      'virtualHosts[0].routes[0].match is required',
    ],
    [
      'patterns',
      typeUrls.routes,
      route({ pathSeparatedPrefix: '/a/' }),
      'virtualHosts[0].routes[0].match.pathSeparatedPrefix must match',
    ],
    [
      'numbers',
      typeUrls.routes,
      route({ prefix: '/' }, { directResponse: { status: 99 } }),
      'virtualHosts[0].routes[0].directResponse.status must be at least',
    ],
    [
      'wrapped numbers',
      typeUrls.endpoints,
      { clusterName: 'a', endpoints: [{ lbEndpoints: [{ loadBalancingWeight: 0 }] }] },
      'endpoints[0].lbEndpoints[0].loadBalancingWeight must be at least 1',
    ],
    [
      'header names',
      typeUrls.routes,
      route({ prefix: '/', headers: [{ name: 'a\nb', presentMatch: true }] }),
      'virtualHosts[0].routes[0].match.headers[0].name',
    ],
    [
      'enum values',
      typeUrls.cluster,
      { name: 'a', lbPolicy: 'LOAD_BALANCING_POLICY_CONFIG', dnsLookupFamily: 99 },
      'dnsLookupFamily',
    ],
  ])('find broken %s', (_what, type, json, expected) => {
    expect(violations(type, json).join('\n')).toContain(expected);
  });

  it('look into Any', () => {
    const manager = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
    const listener = {
      name: 'l',
      filterChains: [
        { filters: [{ name: 'f', typedConfig: { '@type': `type.googleapis.com/${manager}`, statPrefix: '' } }] },
      ],
    };
    const found = violations(typeUrls.listener, listener);
    expect(found).toContain(
      'filterChains[0].filters[0].typedConfig.statPrefix must not be empty or shorter than allowed',
    );
    expect(found.some((text) => text.includes('typedConfig one of rds, routeConfig'))).toBe(true);
  });
});
