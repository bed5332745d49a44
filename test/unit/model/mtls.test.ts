import { describe, expect, it } from 'vitest';
import { effectiveMtls, plaintextReport } from '../../../src/model/mtls.ts';
import { serviceId } from '../../../src/model/names.ts';
import { createWorldBuilder, nextWorld, type WorldInput } from '../../../src/model/next-world.ts';
import { objectSnapshot, registrySnapshot } from '../../support/objects.ts';
import { testInstance } from '../../support/worlds.ts';

const mesh = (mtls: string): string =>
  `apiVersion: chancery/v1\nkind: Mesh\nmetadata: {name: mesh}\nspec: {mtls: ${mtls}}\n`;
const service = (name: string, tls: string): string =>
  `apiVersion: chancery/v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {tls: ${tls}}\n`;
const proxy = { address: '10.0.0.1', port: 21000, localAddress: '127.0.0.1', localPort: 8080 };

function input(text: string): WorldInput {
  return {
    registries: [
      registrySnapshot({
        api: [testInstance('api-1', { proxy }), testInstance('api-2')],
        db: [testInstance('db-1', { proxy })],
        web: [testInstance('web-1', { proxy })],
      }),
    ],
    objects: [objectSnapshot({ 'a.yaml': text })],
  };
}

describe('mutual TLS of a World', () => {
  it('is strict from the first minute where certificates are issued, else off', () => {
    const silent = input('');
    expect(nextWorld(undefined, silent).mesh.mtls).toBe('off');
    expect(nextWorld(undefined, { ...silent, certificates: true }).mesh).toMatchObject({
      mtls: 'strict',
      certificates: true,
    });
    expect(createWorldBuilder({ certificates: true }).next(silent).mesh.mtls).toBe('strict');
  });

  it.each(['strict', 'permissive', 'off'] as const)(
    'is %s where the Mesh says so and certificates are issued',
    (mtls) => {
      const world = nextWorld(undefined, { ...input(mesh(mtls)), certificates: true });
      expect(world.mesh.mtls).toBe(mtls);
      expect(world.problems).toEqual([]);
    },
  );

  it.each([
    ['strict', 'error'],
    ['permissive', 'warning'],
  ] as const)('T24: asked to be %s without certificates it is off, and that is said as an %s', (mtls, severity) => {
    const world = nextWorld(undefined, input(`${mesh(mtls)}---\n${service('api', mtls)}`));
    expect(world.mesh.mtls).toBe('off');
    expect(
      world.problems.map(({ code, path, severity: how, hint }) => [code, path, how, hint.includes('--insecure')]),
    ).toEqual([
      ['CH1235', 'spec.mtls', severity, true],
      ['CH1235', 'spec.tls', severity, true],
    ]);
    for (const one of world.services.values()) expect(effectiveMtls(one, world.mesh)).toBe('off');
  });

  it('is in the trust domain of who issues the certificates, whatever the Mesh says', () => {
    const certificates = { trustDomain: 'prod.example' };
    const domain = (spec: string): WorldInput => ({
      ...input(`apiVersion: chancery/v1\nkind: Mesh\nmetadata: {name: mesh}\nspec: {${spec}}\n`),
      certificates,
    });
    const silent = nextWorld(undefined, domain('domain: other.example'));
    expect(silent.mesh).toMatchObject({ domain: 'other.example', trustDomain: 'prod.example', mtls: 'strict' });
    expect(silent.problems).toEqual([]);
    expect(nextWorld(silent, { ...domain('domain: other.example'), certificates: { ...certificates } })).toBe(silent);
    expect(nextWorld(undefined, domain('trustDomain: prod.example')).problems).toEqual([]);
    const wrong = nextWorld(undefined, domain('trustDomain: other.example'));
    expect(wrong.mesh.trustDomain).toBe('prod.example');
    expect(wrong.problems.map(({ code, severity, path }) => [code, severity, path])).toEqual([
      ['CH1239', 'error', 'spec.trustDomain'],
    ]);
  });

  it('follows when certificates come and go, with everything else the same objects', () => {
    const text = mesh('permissive');
    const without = nextWorld(undefined, input(text));
    const withThem = nextWorld(without, { ...input(text), certificates: true });
    expect([withThem.mesh.mtls, withThem.problems]).toEqual(['permissive', []]);
    expect(withThem.services).toBe(without.services);
    expect(withThem.endpoints).toBe(without.endpoints);
    expect(nextWorld(withThem, input(text)).mesh).toEqual(without.mesh);
  });
});

describe('effectiveMtls', () => {
  it.each([
    ['mesh', 'strict', 'strict'],
    ['mesh', 'permissive', 'permissive'],
    ['mesh', 'off', 'off'],
    ['none', 'strict', 'off'],
    ['strict', 'off', 'strict'],
    ['strict', 'permissive', 'strict'],
    ['permissive', 'strict', 'permissive'],
  ] as const)('service %s, mesh %s: %s', (tls, mtls, effective) => {
    expect(effectiveMtls({ tls }, { mtls, certificates: true })).toBe(effective);
    expect(effectiveMtls({ tls }, { mtls })).toBe('off');
  });
});

describe('plaintextReport', () => {
  it('names the instances without a sidecar, and which of them strict would withhold', () => {
    const world = nextWorld(undefined, {
      ...input(`${mesh('permissive')}---\n${service('web', 'none')}`),
      certificates: true,
    });
    expect(plaintextReport(world)).toEqual([
      {
        service: serviceId('default', 'api'),
        mtls: 'permissive',
        instances: 2,
        plaintext: [{ id: 'api-2', address: '127.0.0.1', port: 8080 }],
        withheldInStrict: true,
      },
      {
        service: serviceId('default', 'web'),
        mtls: 'off',
        instances: 1,
        plaintext: [{ id: 'web-1', address: '127.0.0.1', port: 8080 }],
        withheldInStrict: false,
      },
    ]);
  });
});
