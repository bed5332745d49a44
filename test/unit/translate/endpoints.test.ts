import { describe, expect, it } from 'vitest';
import { dialled, endpointFacts, localities } from '../../../src/translate/endpoints.ts';
import { testProvenance } from '../../support/routes.ts';
import { testInstance, testService } from '../../support/worlds.ts';

const proxy = { address: '10.0.0.9', port: 21000, localAddress: '127.0.0.1', localPort: 8080 };
const web = testService('web');

describe('dialled', () => {
  it('is the sidecar where there is one, unless the service is spoken to in plaintext only', () => {
    const instance = testInstance('a', { proxy });
    expect(dialled(web, instance)).toEqual({ address: '10.0.0.9', port: 21000 });
    expect(dialled(testService('web', { tls: 'none' }), instance)).toEqual({ address: '127.0.0.1', port: 8080 });
  });

  it('T24: is nothing without a sidecar where mutual TLS is strict, and marked where it is permissive', () => {
    const bare = testInstance('a');
    const joined = testInstance('a', { proxy });
    expect(dialled(web, bare, 'strict')).toBeUndefined();
    expect(dialled(web, bare, 'permissive')).toEqual({ address: '127.0.0.1', port: 8080, plaintext: true });
    expect(dialled(web, bare, 'off')).toEqual({ address: '127.0.0.1', port: 8080 });
    for (const mtls of ['strict', 'permissive', 'off'] as const)
      expect(dialled(web, joined, mtls)).toEqual({ address: '10.0.0.9', port: 21000 });
  });

  it('takes the port of the registry, else targetPort, else nothing', () => {
    const service = testService('web', { targetPort: 9000 });
    expect(dialled(service, testInstance('a', { port: 80 }))?.port).toBe(80);
    expect(dialled(service, testInstance('a', { port: 0 }))?.port).toBe(9000);
    expect(dialled(web, testInstance('a', { port: 0 }))).toBeUndefined();
  });
});

describe('localities', () => {
  it('keeps every instance with its health and weight, critical ones marked', () => {
    const [only] = localities(web, [
      testInstance('b', { address: '10.0.0.2', health: 'critical' }),
      testInstance('a', { address: '10.0.0.1', health: 'warning', weight: 3 }),
    ]);
    expect(only?.endpoints).toEqual([
      { address: '10.0.0.1', port: 8080, healthStatus: 1, weight: 3 },
      { address: '10.0.0.2', port: 8080, healthStatus: 2, weight: 1 },
    ]);
  });

  it('lets the healthy one stand for two on one address', () => {
    const [only] = localities(web, [testInstance('a', { health: 'critical', weight: 9 }), testInstance('b')]);
    expect(only?.endpoints).toEqual([{ address: '127.0.0.1', port: 8080, healthStatus: 1, weight: 1 }]);
  });

  it('groups by place and keeps a subset to itself', () => {
    const locality = { region: 'eu', zone: 'a', subZone: '' };
    const instances = [
      testInstance('a', { address: '10.0.0.1', metadata: { version: 'v1', canary: 'no' } }),
      testInstance('b', { address: '10.0.0.2', metadata: { version: 'v2' }, locality }),
    ];
    expect(localities(web, instances).map(({ zone, endpoints }) => [zone, endpoints.length])).toEqual([
      ['', 1],
      ['a', 1],
    ]);
    const subset = { name: 'v1', where: { version: 'v1' }, provenance: testProvenance('web') };
    const [v1, ...others] = localities(web, instances, subset);
    expect(v1?.endpoints.map(({ address }) => address)).toEqual(['10.0.0.1']);
    expect(others).toEqual([]);
  });
});

describe('endpointFacts', () => {
  it('names who is withheld, the first three by their ids', () => {
    const joined = testInstance('z', { proxy, address: '10.0.0.1' });
    const bare = ['a', 'b', 'c', 'd'].map((id) =>
      testInstance(id, { address: id === 'd' ? 'd.internal' : '10.0.0.2' }),
    );
    const { byDns, problems } = endpointFacts(web, [...bare, joined], 'strict');
    expect(byDns).toBe(false);
    expect(problems.map(({ code, severity, message }) => [code, severity, message])).toEqual([
      ['CH1236', 'warning', '4 of 5 instances of "web" have no sidecar: "a", "b", "c" and 1 more'],
    ]);
    expect(endpointFacts(web, [joined], 'strict').problems).toEqual([]);
  });

  it('is one shared object where nothing is special', () => {
    expect(endpointFacts(web, [testInstance('a')])).toBe(endpointFacts(web, []));
  });

  it('names instances under host names and those without a port', () => {
    const facts = endpointFacts(web, [testInstance('a', { address: 'a.internal' }), testInstance('b', { port: 0 })]);
    expect(facts).toMatchObject({ byDns: true, problems: [{ code: 'CH1224' }, { code: 'CH1225' }] });
  });
});
