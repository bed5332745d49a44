import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ServiceId, serviceId } from '../../../src/model/names.ts';
import { type Identity, readSpiffeId, spiffeId } from '../../../src/model/spiffe.ts';

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
