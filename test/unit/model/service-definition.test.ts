import { describe, expect, it } from 'vitest';
import { serviceId } from '../../../src/model/names.ts';
import type { Service } from '../../../src/model/service.ts';
import { worldOf } from '../../support/objects.ts';
import { testInstance } from '../../support/worlds.ts';

const one = { cart: [testInstance('c-1')] };

function cart(
  text: string,
  services: Parameters<typeof worldOf>[1] = one,
): { service: Service; codes: string[]; messages: string[] } {
  const world = worldOf(text, services);
  const service = world.services.get(serviceId('default', 'cart'));
  if (service === undefined) throw new Error('no service cart');
  return {
    service,
    codes: world.problems.map(({ code }) => code),
    messages: world.problems.map(({ message }) => message),
  };
}

const native = (spec: string): string =>
  `apiVersion: chancery/v1\nkind: Service\nmetadata: {name: cart}\nspec: ${spec}\n`;
const core = (spec: string): string => `apiVersion: v1\nkind: Service\nmetadata: {name: cart}\nspec: ${spec}\n`;
const linkerd = (spec: string): string =>
  `apiVersion: linkerd.io/v1\nkind: Service\nmetadata: {name: cart}\nspec: ${spec}\n`;
const mesh = (spec: string): string => `apiVersion: chancery/v1\nkind: Mesh\nmetadata: {name: mesh}\nspec: ${spec}\n`;

describe('Service objects of one name', () => {
  it('merge field by field, whatever their order', () => {
    const texts = [
      native('{protocol: grpc, hosts: [basket.example]}'),
      core('{selector: {app: shopping-cart, tier: web}, ports: [{port: 80, targetPort: 8080}]}'),
      linkerd('{host: Cart.Example, port: 80, app: shopping-cart}'),
    ];
    const services = { 'shopping-cart': [testInstance('c-1', { metadata: { tier: 'web' } })] };
    const merged = cart(texts.join('---\n'), services);
    expect(merged.codes).toEqual([]);
    expect(merged.service).toMatchObject({
      hosts: ['basket.example', 'cart.example'],
      port: 80,
      targetPort: 8080,
      protocol: 'grpc',
      from: { service: 'shopping-cart', metadata: { tier: 'web' }, sources: [] },
    });
    expect(merged.service.provenance.map(({ line }) => line)).toEqual([1, 6, 11]);
    const reversed = cart(texts.toReversed().join('---\n'), services);
    const { provenance: _, ...withoutPlace } = merged.service;
    expect(reversed.service).toMatchObject(withoutPlace);
  });

  it('disagree visibly: the problem names both positions, and the nearer language holds', () => {
    const { service, codes, messages } = cart(
      `${linkerd('{port: 81, app: basket}')}---\n${native('{port: 80, from: {service: cart}}')}`,
    );
    expect(service).toMatchObject({ port: 80, from: { service: 'cart' } });
    expect(codes).toEqual(['CH1102', 'CH1102']);
    expect(messages).toEqual([
      'says port 81, but chancery/v1 Service "cart" says 80 (objects.yaml:9:14), which holds',
      'says app "basket", but chancery/v1 Service "cart" says "cart" (objects.yaml:9:34), which holds',
    ]);
  });

  it('use the first port of several and say so', () => {
    const { service, codes } = cart(core('{ports: [{port: 80}, {port: 443}]}'));
    expect(service.port).toBe(80);
    expect(codes).toEqual(['CH1107']);
  });

  it('select a registry by its kind or name', () => {
    expect(cart(native('{from: {consul: basket, sources: [west]}}')).service.from).toEqual({
      service: 'basket',
      metadata: {},
      sources: ['consul', 'west'],
    });
    expect(cart(native('{from: {consul: basket}}')).codes).toContain('CH1103');
  });
});

describe('defaults', () => {
  it('are safe where nobody says anything', () => {
    expect(cart('').service).toEqual({
      id: 'cart',
      name: 'cart',
      namespace: 'default',
      hosts: [],
      protocol: 'http',
      from: { service: 'cart', metadata: {}, sources: [] },
      subsets: [],
      loadBalancer: { policy: 'round-robin', hashOn: [] },
      connectTimeoutMs: 1000,
      outlier: {
        consecutiveLocalOriginFailures: 2,
        consecutiveGatewayFailures: 3,
        consecutive5xx: 0,
        intervalMs: 1000,
        baseEjectionTimeMs: 5000,
        maxEjectionPercent: 50,
      },
      panicPercent: 1,
      limits: { retryBudgetPercent: 20, retryBudgetMinimum: 100 },
      tls: 'mesh',
      provenance: [],
    });
  });

  it('of the Mesh hold for every service, known from a registry or an object, and a service overrides them', () => {
    const defaults = mesh(
      '{defaults: {loadBalancer: {policy: least-request}, timeouts: {connect: 300ms, request: 5s}, ' +
        'health: {panic: 0, outlier: {consecutive5xx: 5, interval: 2s}}, limits: {connections: 100, retryBudget: {percent: 10}}}}',
    );
    const expected = {
      loadBalancer: { policy: 'least-request' },
      connectTimeoutMs: 300,
      requestTimeoutMs: 5000,
      panicPercent: 0,
      outlier: { consecutive5xx: 5, intervalMs: 2000, consecutiveGatewayFailures: 3 },
      limits: { connections: 100, retryBudgetPercent: 10, retryBudgetMinimum: 100 },
    };
    expect(cart(defaults).service).toMatchObject(expected);
    expect(cart(`${defaults}---\n${native('{}')}`).service).toMatchObject(expected);
    const own = native(
      '{loadBalancer: {policy: maglev, hashOn: [{cookie: user, ttl: 1h}, {sourceIp: true}]}, timeouts: {connect: 2s}, ' +
        'health: {outlier: {consecutive5xx: 0}, active: {path: /up}}, limits: {connections: 7}}',
    );
    expect(cart(`${defaults}---\n${own}`).service).toMatchObject({
      ...expected,
      loadBalancer: { policy: 'maglev', hashOn: [{ cookie: 'user', ttlMs: 3_600_000 }, { sourceIp: true }] },
      connectTimeoutMs: 2000,
      outlier: { consecutive5xx: 0, intervalMs: 2000 },
      active: { path: '/up', intervalMs: 5000, timeoutMs: 1000, healthyThreshold: 1, unhealthyThreshold: 3 },
      limits: { connections: 7, retryBudgetPercent: 10 },
    });
  });

  it('let passive ejection be switched off, and on again by a service', () => {
    expect(cart(native('{health: {outlier: false}}')).service.outlier).toBeUndefined();
    const off = mesh('{defaults: {health: {outlier: false}}}');
    expect(cart(off).service.outlier).toBeUndefined();
    expect(cart(`${off}---\n${native('{health: {outlier: {}}}')}`).service.outlier).toMatchObject({
      maxEjectionPercent: 50,
    });
  });
});
