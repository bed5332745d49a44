// The Consul sources under the common suites, over real Consul agents.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConsulObjects } from '../../src/sources/consul/objects.ts';
import { createConsulRegistry } from '../../src/sources/consul/registry.ts';
import { startConsul } from '../support/real-parts.ts';
import { createConsulHttp } from './consul-http.ts';
import { objectStoreConformance } from './source-objects-suite.ts';
import { registryConformance } from './source-registry-suite.ts';
import { rigDeps } from './source-rig.ts';

registryConformance({
  name: 'real Consul',
  parts: ['consul'],
  traits: { health: true, weights: true, metadata: true, outage: true, reset: true, suspectAfterOutage: true },
  deadlineMs: 20_000,
  async start() {
    const dataDir = mkdtempSync(join(tmpdir(), 'chancery-consul-rig-'));
    let consul = await startConsul({ dataDir });
    const http = createConsulHttp(() => consul.url);
    return {
      source: () =>
        createConsulRegistry(rigDeps(), { name: 'consul', address: consul.url, waitMs: 5000, confirmMs: 300 }),
      register: http.register,
      deregister: (_service, id) => http.deregister(id),
      down: () => consul.kill(),
      async up() {
        consul = await consul.again();
      },
      async upEmpty() {
        for (const part of ['raft', 'services', 'checks', 'serf'])
          rmSync(join(dataDir, part), { recursive: true, force: true });
        consul = await consul.again();
      },
      async stop() {
        await consul.kill();
        rmSync(dataDir, { recursive: true, force: true });
      },
    };
  },
});

objectStoreConformance({
  name: 'real Consul KV',
  parts: ['consul'],
  traits: { outage: true, created: true },
  deadlineMs: 20_000,
  async start() {
    const dataDir = mkdtempSync(join(tmpdir(), 'chancery-consul-rig-'));
    let consul = await startConsul({ dataDir });
    return {
      store: () =>
        createConsulObjects(rigDeps(), {
          name: 'consul',
          address: consul.url,
          prefix: 'chancery/objects/',
          waitMs: 5000,
          confirmMs: 300,
        }),
      write: async (path, text) => void (await consul.call('PUT', `/v1/kv/chancery/objects/${path}`, text)),
      erase: async (path) => void (await consul.call('DELETE', `/v1/kv/chancery/objects/${path}`)),
      down: () => consul.kill(),
      async up() {
        consul = await consul.again();
      },
      async stop() {
        await consul.kill();
        rmSync(dataDir, { recursive: true, force: true });
      },
    };
  },
});
