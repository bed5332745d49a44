// DNS over a small name server, held to the contract of registries.
import { createDnsRegistry } from '../../src/sources/dns/dns-registry.ts';
import { startDnsServer } from '../support/dns-server.ts';
import { registryConformance } from './source-registry-suite.ts';
import { type RigInstance, rigDeps } from './source-rig.ts';

registryConformance({
  name: 'DNS, SRV records',
  parts: [],
  traits: { health: false, weights: true, metadata: false, outage: true, reset: false, suspectAfterOutage: false },
  async start() {
    const server = await startDnsServer();
    const registered = new Map<string, RigInstance>();
    const names = ['web', 'api'];
    const write = (): void => {
      server.zone.a.clear();
      server.zone.srv.clear();
      for (const { service, id, address, port, weight = 1 } of registered.values()) {
        server.zone.a.set(`${id}.test`, [address]);
        const others = server.zone.srv.get(`${service}.test`) ?? [];
        const record = { priority: 10, weight: Math.min(weight, 65_535), port, target: `${id}.test` };
        server.zone.srv.set(`${service}.test`, [...others, record]);
      }
      for (const name of names) server.zone.names.add(`${name}.test`);
    };
    write();
    return {
      source: () =>
        createDnsRegistry(rigDeps(), {
          name: 'dns',
          servers: [server.address],
          intervalMs: 50,
          confirmMs: 50,
          services: names.map((name) => ({ name, host: `${name}.test`, type: 'SRV' })),
        }),
      async register(instance) {
        registered.set(`${instance.service}/${instance.id}`, instance);
        write();
      },
      async deregister(service, id) {
        registered.delete(`${service}/${id}`);
        write();
      },
      down: () => server.down(),
      up: () => server.up(),
      stop: () => server.down(),
    };
  },
});
