import { describe, expect, it } from 'vitest';
import { createCatalog } from '../../../../src/sources/dev-registry/catalog.ts';
import { createCheckTimers } from '../../../../src/sources/dev-registry/check-timers.ts';
import { readRegistration } from '../../../../src/sources/dev-registry/registration.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';

function setup() {
  const catalog = createCatalog();
  const put = (json: object): void => {
    for (const { service, checks } of readRegistration(json, () => 21_000)) catalog.putService(service, checks);
  };
  const status = (id: string): string | undefined => catalog.check(id)?.Status;
  return { catalog, put, status };
}

describe('index rules of the dev registry', () => {
  it('gives each real change the next index, and an equal one none', () => {
    const { catalog, put } = setup();
    put({ Name: 'web', ID: 'web-1', Port: 80 });
    const index = catalog.index();
    put({ Name: 'web', ID: 'web-1', Port: 80 });
    expect(catalog.index()).toBe(index);
    put({ Name: 'web', ID: 'web-1', Port: 81 });
    expect(catalog.index()).toBeGreaterThan(index);
  });
  it('moves only the index of the name that changed, and the list', () => {
    const { catalog, put } = setup();
    put({ Name: 'web', ID: 'web-1' });
    put({ Name: 'api', ID: 'api-1' });
    const web = catalog.nameIndex('web');
    put({ Name: 'api', ID: 'api-2' });
    expect(catalog.nameIndex('web')).toBe(web);
    expect(catalog.nameIndex('api')).toBe(catalog.listIndex());
    catalog.removeService('web-1');
    expect(catalog.nameIndex('web')).toBeGreaterThan(web);
  });
  it('moves the index of a name, but not the list, when health changes', () => {
    const { catalog, put } = setup();
    put({ Name: 'web', Check: { CheckID: 'c', TTL: '10s' } });
    const list = catalog.listIndex();
    const web = catalog.nameIndex('web');
    catalog.setStatus('c', 'passing', 'ok');
    expect(catalog.nameIndex('web')).toBeGreaterThan(web);
    expect(catalog.listIndex()).toBe(list);
    const after = catalog.index();
    catalog.setStatus('c', 'passing', 'ok');
    expect(catalog.index()).toBe(after);
  });
  it('answers for what does not exist with the index of the list, so that it wakes for any service', () => {
    const { catalog, put } = setup();
    put({ Name: 'web' });
    const before = catalog.nameIndex('none');
    put({ Name: 'api' });
    expect(catalog.nameIndex('none')).toBeGreaterThan(before);
  });
});

describe('checks of the dev registry', () => {
  it('keeps the status of a check when its service is registered again', () => {
    const { catalog, put, status } = setup();
    const web = { Name: 'web', Check: { CheckID: 'c', TTL: '10s' } };
    put(web);
    expect(status('c')).toBe('critical');
    catalog.setStatus('c', 'passing', '');
    put({ ...web, Port: 81 });
    expect(status('c')).toBe('passing');
  });
  it('lets the sidecar follow the health of its service, and go with it', () => {
    const { catalog, put, status } = setup();
    put({ name: 'web', port: 80, connect: { sidecar_service: {} }, check: { check_id: 'c', ttl: '10s' } });
    const sidecar = catalog.service('web-sidecar-proxy')?.value;
    expect(sidecar).toMatchObject({
      Kind: 'connect-proxy',
      Service: 'web-sidecar-proxy',
      Port: 21_000,
      Proxy: { DestinationServiceName: 'web', DestinationServiceID: 'web', LocalServicePort: 80 },
    });
    expect(status('service:web-sidecar-proxy')).toBe('critical');
    catalog.setStatus('c', 'passing', '');
    expect(status('service:web-sidecar-proxy')).toBe('passing');
    catalog.removeService('web');
    expect(catalog.services()).toEqual([]);
    expect(catalog.checks()).toEqual([]);
  });
  it('turns a TTL check critical when it is told nothing, counted from the last word', () => {
    const clock = createFakeClock();
    const { catalog, put, status } = setup();
    const timers = createCheckTimers(clock, catalog);
    timers.start();
    put({ Name: 'web', Check: { CheckID: 'c', TTL: '10s', Status: 'passing' } });
    clock.advance(9000);
    timers.told('c');
    clock.advance(9999);
    expect(status('c')).toBe('passing');
    clock.advance(1);
    expect(status('c')).toBe('critical');
    timers.stop();
    expect(clock.pending()).toBe(0);
  });
  it('takes a service away that was critical for as long as it asked', () => {
    const clock = createFakeClock();
    const { catalog, put } = setup();
    const timers = createCheckTimers(clock, catalog);
    timers.start();
    put({ Name: 'web', Check: { CheckID: 'c', TTL: '10s', DeregisterCriticalServiceAfter: '1m' } });
    clock.advance(59_999);
    expect(catalog.services()).toHaveLength(1);
    clock.advance(1);
    expect(catalog.services()).toEqual([]);
    expect(clock.pending()).toBe(0);
    timers.stop();
  });
  it('begins a second run with every TTL check critical, as an agent that just started', () => {
    const clock = createFakeClock();
    const { catalog, put, status } = setup();
    const timers = createCheckTimers(clock, catalog);
    timers.start();
    put({ Name: 'web', Check: { CheckID: 'c', TTL: '10s', Status: 'passing' } });
    timers.stop();
    timers.start();
    expect(status('c')).toBe('critical');
    timers.stop();
  });
});

describe('registrations the dev registry refuses', () => {
  it.each([
    [{}, 'Missing service name'],
    [[], 'must be an object'],
    [{ Name: 'web', Port: -1 }, 'port'],
    [{ Name: 'web', Port: '80' }, 'port'],
    [{ Name: 'web', Meta: { a: 1 } }, 'Meta'],
    [{ Name: 'web', Kind: 'mesh-gateway' }, 'mesh-gateway'],
    [{ Name: 'web', Kind: 'connect-proxy' }, 'DestinationServiceName'],
    [{ Name: 'web', Check: { HTTP: 'http://127.0.0.1/' } }, 'http'],
    [{ Name: 'web', Check: {} }, 'TTL'],
    [{ Name: 'web', Check: { TTL: 'soon' } }, 'duration'],
    [{ Name: 'web', Check: { TTL: '1s', Status: 'fine' } }, 'fine'],
    [{ Name: 'web', Weights: { Passing: 99999 } }, 'passing'],
  ])('%j', (json, says) => {
    expect(() => readRegistration(json, () => 1)).toThrow(says);
  });
});
