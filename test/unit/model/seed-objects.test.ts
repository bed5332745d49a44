import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { serviceId } from '../../../src/model/names.ts';
import { worldOf } from '../../support/objects.ts';
import { testInstance } from '../../support/worlds.ts';

const root = new URL('../../../', import.meta.url);
const own = readFileSync(new URL('examples/seed/objects.yaml', root), 'utf8');
/** Path of the objects as they were handed to this project, where they are at hand. */
const given = process.env['CHANCERY_SEED_OBJECTS'] ?? '';

const data = (text: string): unknown => parseAllDocuments(text).map((document) => document.toJS() as unknown);

describe('the seed objects', () => {
  it.runIf(existsSync(given))('equal the file that CHANCERY_SEED_OBJECTS names', () => {
    expect(data(own)).toEqual(data(readFileSync(given, 'utf8')));
  });

  it('merge into one service of each name, by host, port and selector', () => {
    const world = worldOf(own, { 'order-service': [testInstance('o-1')], 'user-service': [testInstance('u-1')] });
    expect(world.problems).toEqual([]);
    expect([...world.services.keys()]).toEqual(['order-service', 'user-service']);
    for (const name of ['order-service', 'user-service']) {
      const service = world.services.get(serviceId('default', name));
      expect(service).toMatchObject({
        name,
        hosts: [`${name}.service.local`],
        port: 80,
        targetPort: 8080,
        protocol: 'http',
        from: { service: name, metadata: {}, sources: [] },
      });
      expect(service?.provenance).toHaveLength(2);
    }
  });

  it('route the host to the order service with the share of the object', () => {
    const { routes } = worldOf(own, { 'order-service': [testInstance('o-1')] });
    expect(routes).toHaveLength(1);
    expect(routes[0]).toMatchObject({
      name: 'user-to-order',
      hosts: ['user-to-order.service.local'],
      protocol: 'http',
      share: 100,
      rules: [{ action: { kind: 'forward', to: [{ service: 'order-service', port: 80, weight: 1 }] } }],
    });
  });

  it('dial the registered port; targetPort fills a missing one, and a difference is a warning', () => {
    const instances = [testInstance('a', { port: 0 }), testInstance('b', { port: 9090 })];
    const world = worldOf(own, { 'order-service': instances, 'user-service': [testInstance('u')] });
    expect(world.endpoints.get(serviceId('default', 'order-service'))?.map(({ port }) => port)).toEqual([8080, 9090]);
    expect(world.problems.map(({ code, severity }) => [code, severity])).toEqual([['CH1105', 'warning']]);
    expect(world.problems[0]?.message).toContain('9090');
  });
});
