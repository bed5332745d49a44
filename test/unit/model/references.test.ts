import { describe, expect, it } from 'vitest';
import { nextWorld } from '../../../src/model/next-world.ts';
import { problemText } from '../../../src/model/problem.ts';
import { objectSnapshot, worldOf } from '../../support/objects.ts';
import { testInstance } from '../../support/worlds.ts';

const services = { cart: [testInstance('c')], web: [testInstance('w')] };
const subsets =
  'apiVersion: chancery/v1\nkind: Service\nmetadata: {name: cart}\nspec: {port: 80, subsets: [{name: v1, where: {v: v1}}]}\n';
const edge =
  'apiVersion: chancery/v1\nkind: Gateway\nmetadata: {name: edge}\nspec: {listeners: [{port: 80, hosts: ["*.shop.example"]}]}\n';

function route(rest: string, host = 'a.shop.example'): string {
  return `apiVersion: chancery/v1\nkind: Route\nmetadata: {name: shop}\nspec:\n  hosts: [${host}]\n  ${rest}\n`;
}

function found(text: string): (readonly [string, string, string])[] {
  return worldOf(text, services).problems.map(({ code, severity, message }) => [code, severity, message] as const);
}

describe('references', () => {
  it('to a service that is nowhere are errors, the destination stays, and the near name is offered', () => {
    const world = worldOf(route('rules: [{to: [{service: crat}]}]'), services);
    expect(world.routes[0]?.rules[0]?.action).toMatchObject({ to: [{ service: 'crat' }] });
    expect(world.problems.map(problemText)).toEqual([
      '[CH1203] Route default/shop: backend "crat" is in no registry (objects.yaml:6:27). Correct its name, register it, ' +
        'or write a Service for it; while nothing has it, it answers 503. Did you mean "cart"? docs: errors#CH1203',
    ]);
    expect(world.problems[0]?.path).toBe('spec.rules[0].to[0].service');
    const foreign = worldOf(
      'apiVersion: linkerd.io/v1\nkind: Route\nmetadata: {name: a}\nspec: {host: a.example, routes: [{service: {name: crat}}]}\n',
      services,
    );
    expect(foreign.problems.map(({ path }) => path)).toEqual(['spec.routes[0].service.name']);
  });

  it('to a service are warnings where no registry is at hand', () => {
    const objects = [objectSnapshot({ 'o.yaml': route('rules: [{to: [{service: cart}]}]') })];
    const { problems } = nextWorld(undefined, { registries: [], objects });
    expect(problems.map(({ code, severity }) => [code, severity])).toEqual([['CH1203', 'warning']]);
  });

  it('to a subset, a port and a caller are checked', () => {
    expect(found(`${subsets}---\n${route('rules: [{to: [{service: cart, subset: v3}]}]')}`)).toEqual([
      ['CH1204', 'error', 'service "cart" has no subset "v3"'],
    ]);
    expect(found(`${subsets}---\n${route('rules: [{to: [{service: cart, port: 81}]}]')}`)).toEqual([
      ['CH1205', 'warning', 'service "cart" has port 80, not 81'],
    ]);
    expect(found(route('rules: [{match: [{from: [wbe]}], to: [{service: cart}]}]'))).toEqual([
      ['CH1207', 'warning', 'calling service "wbe" is not known'],
    ]);
  });

  it('to a gateway are checked where there are Gateway objects', () => {
    const rules = 'gateways: [egde]\n  rules: [{to: [{service: cart}]}]';
    expect(found(`${edge}---\n${route(rules)}`)).toEqual([['CH1206', 'error', 'gateway "egde" is not known']]);
    expect(found(route(rules))).toEqual([]);
  });

  it('find hosts that no listener of the named gateways admits', () => {
    const rules = 'gateways: [edge]\n  rules: [{to: [{service: cart}]}]';
    expect(found(`${edge}---\n${route(rules, 'a.example')}`)).toEqual([
      ['CH1209', 'warning', 'no listener of edge admits host "a.example"'],
    ]);
    for (const host of ['a.shop.example', '"*.shop.example"', '"*.example"', '"*"', 'b.a.shop.example'])
      expect(found(`${edge}---\n${route(rules, host)}`)).toEqual([]);
    const also = 'gateways: [edge, mesh]\n  rules: [{to: [{service: cart}]}]';
    expect(found(`${edge}---\n${route(also, 'a.example')}`)).toEqual([]);
  });

  it('warn of a destination for every instance beside a subset of the same service', () => {
    const text = `${subsets}---\n${route('rules: [{to: [{service: cart, subset: v1}, {service: cart}, {service: web}]}]')}`;
    expect(found(text).map(([code]) => code)).toEqual(['CH1210']);
  });

  it('warn once of a service without instances', () => {
    const empty = 'apiVersion: chancery/v1\nkind: Service\nmetadata: {name: stock}\nspec: {}\n';
    const text = `${empty}---\n${route('rules: [{to: [{service: stock}]}, {to: [{service: stock}]}]')}`;
    expect(found(text)).toEqual([['CH1212', 'warning', 'no instance in any registry']]);
    const registered = worldOf(route('rules: [{to: [{service: idle}]}, {to: [{service: idle}]}]'), { idle: [] });
    expect(registered.problems.map(({ code, at }) => [code, at.line])).toEqual([['CH1212', 6]]);
  });

  it('warn of what a request is hashed on where nothing balances by it', () => {
    const service = (name: string, policy: string): string =>
      `apiVersion: chancery/v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {loadBalancer: {policy: ${policy}, hashOn: [{header: x}]}}\n---\n`;
    const route = (to: string): string =>
      `apiVersion: chancery/v1\nkind: Route\nmetadata: {name: to-${to}}\nspec: {hosts: [${to}.example], rules: [{to: [{service: ${to}}], hash: [{header: x}]}]}\n---\n`;
    const text = ['random', 'ring-hash', 'maglev'].map((policy) => service(policy, policy) + route(policy)).join('');
    const found = worldOf(text).problems.filter(({ code }) => code === 'CH1010');
    expect(found.map(({ severity, at, path, message }) => `${severity} ${at.object} ${path} ${message}`)).toEqual([
      'warning Service default/random spec.loadBalancer.hashOn hashOn has no effect on load balancing by "random", only by "ring-hash" and "maglev"',
      'warning Route default/to-random spec.rules[0].hash hash of rule "default/to-random#0" has no effect: "random" balances by "random"',
    ]);
  });
});
