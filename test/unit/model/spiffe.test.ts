import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ServiceId, serviceId } from '../../../src/model/names.ts';
import { connectPlace, type Identity, identityPrefix, readSpiffeId, spiffeId } from '../../../src/model/spiffe.ts';

const service = (id: ServiceId): Identity => ({ kind: 'service', trustDomain: 'mesh.local', service: id });

describe('SPIFFE ids', () => {
  it('name services, gateways and the control plane', () => {
    expect(spiffeId(service(serviceId('default', 'cart')))).toBe('spiffe://mesh.local/svc/cart');
    expect(spiffeId(service(serviceId('prod', 'cart')))).toBe('spiffe://mesh.local/ns/prod/svc/cart');
    expect(spiffeId({ kind: 'gateway', trustDomain: 'mesh.local', gateway: 'edge' })).toBe(
      'spiffe://mesh.local/gateway/edge',
    );
    expect(spiffeId({ kind: 'control-plane', trustDomain: 'mesh.local' })).toBe('spiffe://mesh.local/chancery');
  });

  it.each([
    'spiffe://mesh.local',
    'spiffe://mesh.local/',
    'spiffe://mesh.local/svc/',
    'spiffe://mesh.local/svc/cart/',
    'spiffe://mesh.local/svc/../gateway/edge',
    'spiffe://mesh.local/svc/..',
    'spiffe://mesh.local/svc/ca%72t',
    'spiffe://mesh.local//svc/cart',
    'spiffe://Mesh.local/svc/cart',
    'spiffe://mesh.local:80/svc/cart',
    'spiffe://user@mesh.local/svc/cart',
    'spiffe://mesh.local/svc/cart?x=1',
    'spiffe://mesh.local/svc/cart#x',
    'spiffe://mesh.local/svc/cart\0',
    'spiffe://mesh.local/ns/default/svc/cart',
    'https://mesh.local/svc/cart',
    `spiffe://mesh.local/svc/${'a'.repeat(2048)}`,
  ])('T5: reads nothing in %s', (text) => {
    expect(readSpiffeId(text)).toBeUndefined();
  });

  it('T5: are read as what they were written from, or not written at all', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (namespace, name) => {
        const identity = service(serviceId(namespace, name));
        const id = spiffeId(identity);
        if (id !== undefined) expect(readSpiffeId(id)).toEqual(identity);
      }),
    );
  });

  it('T5: differ for different services', () => {
    const part = fc.stringMatching(/^[A-Za-z0-9._|/%-]{1,6}$/);
    fc.assert(
      fc.property(part, part, part, part, (aSpace, aName, bSpace, bName) => {
        const [a, b] = [serviceId(aSpace, aName), serviceId(bSpace, bName)];
        const [aId, bId] = [spiffeId(service(a)), spiffeId(service(b))];
        if (a !== b && aId !== undefined) expect(aId).not.toBe(bId);
      }),
    );
  });
});

describe('names in Connect', () => {
  const domain = '3a18741e-e845-0a05-772b-9cff53cbaa41.consul';
  const trustDomain = connectPlace(domain, 'dc1') ?? expect.fail('no place');
  const named = (id: ServiceId): string | undefined => spiffeId({ kind: 'service', trustDomain, service: id });

  it('are those that Consul writes, of services of its default namespace', () => {
    expect(named(serviceId('default', 'cart'))).toBe(`spiffe://${domain}/ns/default/dc/dc1/svc/cart`);
    expect(named(serviceId('prod', 'cart'))).toBeUndefined();
    expect(spiffeId({ kind: 'control-plane', trustDomain })).toBeUndefined();
    expect(identityPrefix(trustDomain)).toBe(`spiffe://${domain}/ns/default/dc/dc1/`);
  });

  it('of gateways are those of a service that no other may be', () => {
    const edge = spiffeId({ kind: 'gateway', trustDomain, gateway: 'edge' });
    expect(edge).toBe(`spiffe://${domain}/ns/default/dc/dc1/svc/chancery-gateway-edge`);
    expect(spiffeId({ kind: 'gateway', trustDomain, gateway: 'prod/edge' })).toBeUndefined();
    expect(named(serviceId('default', 'chancery-gateway-edge'))).toBeUndefined();
    expect(named(serviceId('default', 'chancery-gateway-'))).toBeUndefined();
  });

  it('T5: differ for whatever differs, and lie below the place', () => {
    const part = fc.oneof(fc.stringMatching(/^[A-Za-z0-9._|/%-]{1,6}$/), fc.constantFrom('chancery-gateway-a', 'a'));
    const any = fc.oneof(
      fc.record({
        kind: fc.constant('service' as const),
        service: fc.tuple(part, part).map(([a, b]) => serviceId(a, b)),
      }),
      fc.record({ kind: fc.constant('gateway' as const), gateway: part }),
    );
    fc.assert(
      fc.property(any, any, (one, other) => {
        const [a, b] = [spiffeId({ trustDomain, ...one }), spiffeId({ trustDomain, ...other })];
        if (a !== undefined) expect(a).toMatch(/^spiffe:\/\/[0-9a-f-]{36}\.consul\/ns\/default\/dc\/dc1\/svc\/[^/]+$/);
        if (a !== undefined && a === b) expect(one).toEqual(other);
        // Nobody whose certificates are ours is taken for one of Connect.
        if (a !== undefined) expect(readSpiffeId(a)).toBeUndefined();
      }),
    );
  });

  it.each([
    [domain, 'DC1'],
    [domain, ''],
    [domain, 'dc1/svc/web'],
    ['mesh.local', 'dc1'],
    [`${domain}.example`, 'dc1'],
    [`x${domain}`, 'dc1'],
    ['', 'dc1'],
  ])('are not written for %s and %j', (of, datacenter) => {
    expect(connectPlace(of, datacenter)).toBeUndefined();
    expect(identityPrefix(`${of}/ns/default/dc/${datacenter}`)).toBeUndefined();
  });
});
