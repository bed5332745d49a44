// Where Connect issues the certificates: every name that is compared anywhere is one that Consul writes, exactly.
import { describe, expect, it } from 'vitest';
import { identityOf } from '../../../src/control/identify.ts';
import { serviceId } from '../../../src/model/names.ts';
import { nextWorld } from '../../../src/model/next-world.ts';
import type { World } from '../../../src/model/world.ts';
import type { ProxyProfile } from '../../../src/translate/profile.ts';
import { createTranslator } from '../../../src/translate/translate.ts';
import { objectSnapshot, registrySnapshot } from '../../support/objects.ts';
import { testProtos } from '../../support/protos.ts';
import { testInstance } from '../../support/worlds.ts';

const place = '3a18741e-e845-0a05-772b-9cff53cbaa41.consul/ns/default/dc/dc1';
const prefix = `spiffe://${place}/svc/`;

const documents = [
  'kind: Authorization\nmetadata: {name: cart}\nspec: {service: cart, allow: [{from: [web, gateway/edge]}], deny: [{from: ["*"], to: [{paths: [{prefix: /admin}]}]}]}\n',
  'kind: Authorization\nmetadata: {name: cart-shadow}\nspec: {service: cart, mode: shadow, allow: [{from: [web]}]}\n',
  'kind: Authorization\nmetadata: {name: db}\nspec: {service: db, allow: [{from: [gateway/edge]}]}\n',
  'kind: Service\nmetadata: {name: db}\nspec: {protocol: tcp}\n',
  'kind: Certificate\nmetadata: {name: shop}\nspec: {files: {cert: /c, key: /k}}\n',
  'kind: Gateway\nmetadata: {name: edge}\nspec: {listeners: [{name: shop, port: 443, protocol: https, hosts: [shop.example], tls: {certificate: shop, client: required}}]}\n',
  'kind: Route\nmetadata: {name: shop}\nspec: {gateways: [edge], hosts: [shop.example], rules: [{to: [{service: cart}]}]}\n',
];
const world: World = nextWorld(undefined, {
  registries: [
    registrySnapshot(
      Object.fromEntries(['cart', 'web', 'db', 'chancery-gateway-edge'].map((name) => [name, [testInstance(name)]])),
    ),
  ],
  objects: [
    objectSnapshot(Object.fromEntries(documents.map((text, i) => [`${i}.yaml`, `apiVersion: chancery/v1\n${text}`]))),
  ],
  certificates: { trustDomain: place },
});

const sidecar = (name: string): ProxyProfile => ({
  ...{ role: 'sidecar', service: serviceId('default', name), upstreams: [] },
  inbound: [{ address: '127.0.0.1', port: 15_000, appAddress: '127.0.0.1', appPort: 8_080 }],
  outbound: { address: '127.0.0.1', port: 15_001 },
});
const edge: ProxyProfile = { role: 'gateway', gateway: 'edge' };

/** Every SPIFFE id in what a proxy is told, and how it is compared. */
function namesTold(profile: ProxyProfile): readonly string[] {
  const protos = testProtos();
  const { resources } = createTranslator({ protos }).view(world, profile);
  const told = [...resources].flatMap(([type, byName]) =>
    [...byName.values()].map(({ bytes }) => JSON.stringify(protos.decode(type, bytes))),
  );
  const found = told.join('\n').matchAll(/"(exact|prefix)":"(spiffe:[^"]*)"/g);
  return [...new Set([...found].map(([, how, name]) => `${how} ${name}`))].sort();
}

describe('names where Connect issues certificates', () => {
  it('of callees are one each, and a service that is called as a gateway is has none', () => {
    const names = namesTold(sidecar('web'));
    expect(names).toEqual(expect.arrayContaining([`exact ${prefix}cart`, `exact ${prefix}db`, `exact ${prefix}web`]));
    expect(names.join()).not.toContain('chancery-gateway-edge');
  });

  it('of callers are theirs, with those of gateways', () => {
    expect(namesTold(sidecar('cart'))).toEqual(
      expect.arrayContaining([
        `exact ${prefix}web`,
        `exact ${prefix}chancery-gateway-edge`,
        `prefix spiffe://${place}/`,
      ]),
    );
    expect(namesTold(sidecar('db'))).toContain(`exact ${prefix}chancery-gateway-edge`);
  });

  it('T6: are never of another form', () => {
    for (const profile of [sidecar('web'), sidecar('cart'), sidecar('db'), edge])
      for (const name of namesTold(profile))
        expect(name).toMatch(new RegExp(`^(exact ${prefix}[a-z-]+|prefix spiffe://${place}/)$`));
    expect(namesTold(edge)).toContain(`prefix spiffe://${place}/`);
  });

  it('of proxies are what their certificates bear', () => {
    expect(identityOf(sidecar('web'), world)).toBe(`${prefix}web`);
    expect(identityOf(edge, world)).toBe(`${prefix}chancery-gateway-edge`);
    expect(identityOf(sidecar('chancery-gateway-edge'), world)).toBeUndefined();
  });
});
