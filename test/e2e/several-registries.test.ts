// Consul, etcd, files and DNS in one control plane: what each knows is joined, and the end of one is not felt by the others.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ControlStatus } from '../../src/control/contract.ts';
import { type Backend, startBackend } from '../support/backends.ts';
import { type DnsServer, startDnsServer } from '../support/dns-server.ts';
import { ask, startLoad } from '../support/load.ts';
import { type Product, startProduct } from '../support/product.ts';
import { describeWith, eventuallyPasses, freePort } from '../support/real-parts.ts';
import { type RunningRegistry, registryRigs } from './registry-rigs.ts';

const patient = { deadlineMs: 30_000 };

/** One edge in front of a product, and who answers behind it. */
async function edgeOf(
  product: Product,
): Promise<{ readonly port: number; readonly who: (host: string) => Promise<string[]> }> {
  const port = await freePort();
  product.write(
    'edge.yaml',
    `apiVersion: chancery/v1\nkind: Gateway\nmetadata: {name: edge}\nspec: {listeners: [{port: ${port}}]}\n`,
  );
  await product.envoy('edge-1', ['--gateway', 'edge']);
  return {
    port,
    async who(host) {
      const seen = new Set<string>();
      for (let i = 0; i < 24; i++) {
        const { status, headers } = await ask({ port, host });
        seen.add(status === 200 ? String(headers['x-backend']) : `status ${status}`);
      }
      return [...seen].sort();
    },
  };
}

describeWith(['envoy', 'consul', 'etcd'], 'several registries at once', () => {
  const backends: Backend[] = [];
  let registries: RunningRegistry[];
  let dns: DnsServer;
  let product: Product;
  let edge: Awaited<ReturnType<typeof edgeOf>>;

  async function backend(id: string): Promise<Backend> {
    const made = await startBackend(id);
    backends.push(made);
    return made;
  }
  async function register(registry: number, id: string, service = 'shared'): Promise<Backend> {
    const made = await backend(id);
    await registries[registry]?.put({ service, id, port: made.port });
    return made;
  }
  const source = (status: ControlStatus, name: string) => status.sources.find((one) => one.name === name);
  const healthy = (status: ControlStatus, id: string) => status.services.find((one) => one.id === id)?.healthy;

  beforeAll(async () => {
    registries = await Promise.all(registryRigs.map((rig) => rig.start()));
    dns = await startDnsServer();
    const d1 = await backend('dns-1');
    dns.zone.a.set('shared.test', ['127.0.0.1']);
    const [c1] = [await register(0, 'consul-1'), await register(1, 'etcd-1'), await register(2, 'files-1')];
    // The instance of Consul, registered in etcd a second time.
    await registries[1]?.put({ service: 'shared', id: 'double', port: c1.port });
    product = await startProduct({
      registries: [
        ...registries.map(({ config }) => config),
        {
          kind: 'dns',
          servers: [dns.address],
          intervalSeconds: 0.2,
          services: [{ name: 'shared', host: 'shared.test', port: d1.port }],
        },
      ],
    });
    product.write(
      'services.yaml',
      [
        '{name: one}, spec: {from: {consul: shared}}',
        '{name: two}, spec: {from: {service: shared, sources: [etcd, files]}}',
        '{name: wrong}, spec: {from: {service: shared, sources: [eureka]}}',
      ]
        .map((rest) => `{apiVersion: chancery/v1, kind: Service, metadata: ${rest}}\n`)
        .join('---\n'),
    );
    edge = await edgeOf(product);
  }, 90_000);
  afterAll(async () => {
    await product?.[Symbol.asyncDispose]();
    await dns?.down();
    for (const registry of registries ?? []) await registry[Symbol.asyncDispose]();
    for (const one of backends) await one.crash();
  });

  it('joins their instances, and counts one that two hold once, with a warning', async () => {
    await eventuallyPasses(
      async () => expect(await edge.who('shared')).toEqual(['consul-1', 'dns-1', 'etcd-1', 'files-1']),
      patient,
    );
    const status = await product.status();
    expect(healthy(status, 'shared')).toBe(4);
    expect(status.problems.filter(({ code }) => code === 'CH1104')).toMatchObject([
      {
        severity: 'warning',
        message: expect.stringMatching(/^instance 127\.0\.0\.1:\d+ of "etcd" is already held by "consul"$/),
      },
    ]);
  });

  it('lets a Service take from some of them only, and names one that is not configured', async () => {
    expect(await edge.who('one')).toEqual(['consul-1']);
    // etcd holds the instance of Consul too, as was said.
    expect(await edge.who('two')).toEqual(['consul-1', 'etcd-1', 'files-1']);
    const { problems } = await product.status();
    expect(problems.filter(({ code }) => code === 'CH1103')).toMatchObject([
      {
        at: { file: expect.stringMatching(/\/services\.yaml$/) as string, line: 5 },
        message: expect.stringContaining('"eureka"'),
      },
    ]);
  });

  it('shows each in status', async () => {
    const status = await product.status();
    expect(status.sources.map(({ name, kind, complete, degraded }) => ({ name, kind, complete, degraded }))).toEqual(
      [
        { name: 'consul', kind: 'consul' },
        { name: 'dns', kind: 'dns' },
        { name: 'etcd', kind: 'etcd' },
        { name: 'files', kind: 'files' },
        { name: 'objects', kind: 'objects' },
      ].map((one) => ({ ...one, complete: true, degraded: undefined })),
    );
  });

  it('one is killed: its instances stay, marked, and the others keep changing; it comes back', async () => {
    const load = startLoad({ port: edge.port, host: 'shared', perSecond: 50, maxSeconds: 60 });
    await registries[1]?.kill();
    await eventuallyPasses(
      async () => expect(source(await product.status(), 'etcd')?.degraded?.kind).toBe('unreachable'),
      patient,
    );
    await register(0, 'consul-2');
    await register(2, 'files-2');
    const all = ['consul-1', 'consul-2', 'dns-1', 'etcd-1', 'files-1', 'files-2'];
    await eventuallyPasses(async () => expect(await edge.who('shared')).toEqual(all), patient);
    const status = await product.status();
    expect(healthy(status, 'shared')).toBe(6);
    for (const name of ['consul', 'dns', 'files']) expect(source(status, name)?.degraded, name).toBeUndefined();
    expect(await product.ready()).toBe(true);
    await registries[1]?.revive();
    await eventuallyPasses(
      async () => expect(source(await product.status(), 'etcd')?.degraded).toBeUndefined(),
      patient,
    );
    await register(1, 'etcd-2');
    await eventuallyPasses(async () => expect(await edge.who('shared')).toContain('etcd-2'), patient);
    expect((await load.stop()).failures).toEqual({});
  }, 90_000);
});

describeWith(['envoy'], 'names in DNS', () => {
  const backends: Backend[] = [];
  let dns: DnsServer;
  let product: Product;
  let edge: Awaited<ReturnType<typeof edgeOf>>;
  /** Answers as `other` on the port of an instance at 127.0.0.1, at another address. */
  const other = createServer((_request, response) => response.writeHead(200, { 'x-backend': 'other' }).end());

  const srv = (...instances: readonly Backend[]): void => {
    dns.zone.srv.set(
      'srv.test',
      instances.map(({ port }) => ({ priority: 1, weight: 1, port, target: 'host.test' })),
    );
  };
  const degraded = async () => (await product.status()).sources.find(({ name }) => name === 'dns')?.degraded?.kind;

  beforeAll(async () => {
    dns = await startDnsServer();
    for (const id of ['first', 'second']) backends.push(await startBackend(id));
    const [first] = backends;
    if (first === undefined) throw new Error('no backend');
    await new Promise<void>((resolve) => other.listen(first.port, '127.0.0.2', resolve));
    dns.zone.a.set('plain.test', ['127.0.0.1']);
    dns.zone.a.set('host.test', ['127.0.0.1']);
    srv(first);
    product = await startProduct({
      registries: [
        {
          kind: 'dns',
          servers: [dns.address],
          intervalSeconds: 0.2,
          services: [
            { name: 'plain', host: 'plain.test', port: (other.address() as AddressInfo).port },
            { name: 'records', host: 'srv.test', type: 'SRV' },
          ],
        },
      ],
    });
    edge = await edgeOf(product);
  }, 60_000);
  afterAll(async () => {
    await product?.[Symbol.asyncDispose]();
    await dns?.down();
    other.close();
    for (const one of backends) await one.crash();
  });

  it('A and SRV records are reached', async () => {
    await eventuallyPasses(async () => {
      expect(await edge.who('plain')).toEqual(['first']);
      expect(await edge.who('records')).toEqual(['first']);
    }, patient);
  });

  it('a change is followed, in both', async () => {
    dns.zone.a.set('plain.test', ['127.0.0.2']);
    srv(...backends);
    await eventuallyPasses(async () => {
      expect(await edge.who('plain')).toEqual(['other']);
      expect(await edge.who('records')).toEqual(['first', 'second']);
    }, patient);
  });

  it('a server that fails changes nothing, shows in status, and is believed again afterwards', async () => {
    dns.mode = () => 'servfail';
    srv();
    await eventuallyPasses(async () => expect(await degraded()).toBe('unreachable'), patient);
    expect(await edge.who('plain')).toEqual(['other']);
    expect(await edge.who('records')).toEqual(['first', 'second']);
    const [, second] = backends;
    if (second === undefined) throw new Error('no backend');
    srv(second);
    dns.mode = () => 'answer';
    await eventuallyPasses(async () => {
      expect(await degraded()).toBeUndefined();
      expect(await edge.who('records')).toEqual(['second']);
    }, patient);
  });
});
