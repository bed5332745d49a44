import { describe, expect, it } from 'vitest';
import { nextWorld } from '../../../src/model/next-world.ts';
import type { World } from '../../../src/model/world.ts';
import { objectSnapshot } from '../../support/objects.ts';

const good =
  'apiVersion: chancery/v1\nkind: Authorization\nmetadata: {name: a}\nspec:\n  service: cart\n  allow: [{from: [web]}]\n';

function world(files: Readonly<Record<string, string>>, before?: World): World {
  return nextWorld(before, { registries: [], objects: [objectSnapshot(files)], certificates: true });
}

const codes = ({ problems }: World): string[] =>
  problems.map(({ code }) => code).filter((code) => /^CH124[78]|CH1110/.test(code));
/** Services that nobody may call. */
const shut = ({ authorizations }: World): string[] =>
  [...authorizations].flatMap(([id, list]) =>
    list.some(({ deny }) => deny.some(({ from, to }) => from === undefined && to.length === 0)) ? [id] : [],
  );

describe('an Authorization that is refused and never was good', () => {
  it.each([
    ['an unknown key', `${good}  alow: []\n`],
    ['a bad rule', good.replace('[web]', '["we b"]')],
    ['no rules', good.replace(/ {2}allow.*\n/, '')],
    ['a kind misspelt', good.replace('Authorization', 'Authorisation')],
    ['another apiVersion', good.replace('chancery/v1', 'chancery/v2')],
    ['no apiVersion', good.replace(/apiVersion.*\n/, '')],
    ['no name', good.replace('{name: a}', '{}')],
    ['broken YAML', `${good}  deny: [{\n`],
    ['a key twice', `${good}  service: cart\n`],
    ['JSON that ends too early', JSON.stringify({ kind: 'Authorization', spec: { service: 'cart' } }).slice(0, -1)],
  ])('closes its service: %s', (_, text) => {
    const refused = world({ 'a.yaml': text });
    expect(shut(refused)).toEqual(['cart']);
    expect(codes(refused)).toEqual(['CH1247']);
    expect(refused.problems.find(({ code }) => code === 'CH1247')?.at).toMatchObject({ file: 'a.yaml' });
  });

  it('closes every service that it may have meant', () => {
    expect(shut(world({ 'a.yaml': `${good}  service: api\n` }))).toEqual(['api', 'cart']);
  });

  it('means the service of its own namespace', () => {
    const text = good.replace('{name: a}', '{name: a, namespace: prod}').replace('allow', 'alow');
    expect(shut(world({ 'a.yaml': text }))).toEqual(['prod|cart']);
    expect(shut(world({ 'a.yaml': `${text}  deny: [{\n` }))).toEqual(['prod|cart']);
  });

  it('is told where its service cannot be read', () => {
    for (const text of [good.replace('service: cart', 'servce: cart'), good.replace('cart', '["cart"]')]) {
      const refused = world({ 'a.yaml': text });
      expect(codes(refused)).toEqual(['CH1248']);
      expect(refused.authorizations.size).toBe(0);
    }
  });

  it('closes nothing where it was only to count', () => {
    expect(codes(world({ 'a.yaml': `${good}  mode: shadow\n  alow: []\n` }))).toEqual([]);
  });

  it('is no other object', () => {
    const route = 'apiVersion: chancery/v1\nkind: Route\nmetadata: {name: a}\nspec: {service: cart, rulez: []}\n';
    expect(codes(world({ 'a.yaml': route, 'b.yaml': '{', 'c.yaml': '[1]' }))).toEqual([]);
  });

  it('opens its service once it is mended, and stays the same object until then', () => {
    const first = world({ 'a.yaml': `${good}  alow: []\n` });
    const second = world({ 'a.yaml': `${good}  allw: []\n` }, first);
    expect(second.authorizations).toBe(first.authorizations);
    const mended = world({ 'a.yaml': good }, second);
    expect([shut(mended), codes(mended)]).toEqual([[], []]);
  });
});

describe('an Authorization that is refused and has a last good text', () => {
  it.each([
    ['an unknown key', `${good}  alow: []\n`],
    ['broken YAML', `${good}  deny: [{\n`],
    ['no name', good.replace('{name: a}', '{}')],
    ['a kind misspelt', good.replace('Authorization', 'Authorisation')],
    ['no service', good.replace('service: cart', 'servce: cart')],
  ])('keeps that: %s', (_, text) => {
    const after = world({ 'a.yaml': text }, world({ 'a.yaml': good }));
    expect(shut(after)).toEqual([]);
    expect(after.authorizations.get('cart' as never)?.[0]?.allow).toHaveLength(1);
    expect(codes(after)).toEqual(['CH1110']);
  });

  it('closes a service that the last good text did not protect', () => {
    const after = world(
      { 'a.yaml': `${good}---\n${good.replace('a}', 'b}').replace('cart', 'api')}  alow: []\n` },
      world({ 'a.yaml': good }),
    );
    expect(shut(after)).toEqual(['api']);
  });
});
