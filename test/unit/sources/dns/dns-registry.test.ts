import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { RegistrySnapshot } from '../../../../src/model/snapshot.ts';
import { preferred, type SrvRecord, srvWeight } from '../../../../src/sources/dns/dns-answers.ts';
import { createDnsRegistry, type DnsRegistryOptions } from '../../../../src/sources/dns/dns-registry.ts';
import type { DnsResolver } from '../../../../src/sources/dns/lookup.ts';
import { silentLogger } from '../../../../src/util/log.ts';
import { noMetrics } from '../../../../src/util/metrics.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';

interface Case {
  readonly name: string;
  readonly type: 'A' | 'SRV';
  readonly code?: string;
  readonly srv?: readonly SrvRecord[];
  readonly addresses: readonly string[];
  readonly degraded?: string;
  readonly gives?: string;
}
const cases = parse(
  readFileSync(new URL('../../../data/malformed/registry/dns.yaml', import.meta.url), 'utf8'),
) as readonly Case[];

const fail = (code: string): Error => Object.assign(new Error('lookup'), code === '' ? {} : { code });

interface Fake extends DnsResolver {
  /** What the next questions get: addresses with a time to live, or an error code. */
  a: Map<string, readonly string[] | string>;
  aaaa: Map<string, readonly string[] | string>;
  srv: readonly SrvRecord[] | string;
  ttl: number;
}

function createFakeResolver(): Fake {
  const give = (found: readonly string[] | string | undefined, ttl: number) => {
    if (found === undefined) throw fail('ENOTFOUND');
    if (typeof found === 'string') throw fail(found);
    return found.map((address) => ({ address, ttl }));
  };
  const fake: Fake = {
    a: new Map(),
    aaaa: new Map(),
    srv: [],
    ttl: 60,
    resolve4: async (host) => give(fake.a.get(host), fake.ttl),
    resolve6: async (host) => give(fake.aaaa.get(host), fake.ttl),
    async resolveSrv() {
      if (typeof fake.srv === 'string') throw fail(fake.srv);
      return fake.srv;
    },
    cancel: () => {},
  };
  return fake;
}

let end: (() => Promise<void>) | undefined;
afterEach(async () => {
  await end?.();
  end = undefined;
});

async function start(resolver: DnsResolver, services: DnsRegistryOptions['services']) {
  const clock = createFakeClock();
  const abort = new AbortController();
  const all: RegistrySnapshot[] = [];
  const source = createDnsRegistry(
    { clock, random: () => 0.5, log: silentLogger, metrics: noMetrics },
    { name: 'dns', services, intervalMs: 5000, resolver },
  );
  const done = source.run(abort.signal, (snapshot) => all.push(snapshot));
  end = async () => {
    abort.abort();
    await done;
  };
  await clock.settle();
  const addresses = (service = 'web') =>
    all
      .at(-1)
      ?.services.get(service)
      ?.instances.map(({ address }) => address);
  return { clock, all, addresses, last: () => all.at(-1) };
}

describe('answers that are no use', () => {
  it.each(cases)('$name', async ({ type, code, srv, addresses, degraded, gives }) => {
    const resolver = createFakeResolver();
    resolver.a.set('web.test', ['10.0.0.1']).set('good.test', ['10.0.0.1']).set('other.test', ['10.0.0.2']);
    resolver.aaaa.set('web.test', 'ENODATA').set('good.test', 'ENODATA').set('other.test', 'ENODATA');
    resolver.srv = [{ name: 'good.test', port: 80, priority: 0, weight: 0 }];
    const dns = await start(resolver, [{ name: 'web', host: 'web.test', type }]);
    expect(dns.addresses()).toEqual(['10.0.0.1']);
    expect(dns.last()).toMatchObject({ complete: true, problems: [] });
    for (const map of [resolver.a, resolver.aaaa]) {
      map.set('broken.test', 'ESERVFAIL');
      if (code !== undefined) map.set('web.test', code);
    }
    if (srv !== undefined) resolver.srv = srv;
    await dns.clock.advanceAsync(5000);
    expect(dns.addresses()).toEqual(addresses);
    expect(dns.last()?.degraded?.kind).toBe(degraded);
    expect(dns.last()?.problems.map((problem) => problem.code)).toEqual(gives === undefined ? [] : [gives]);
    expect(dns.last()?.complete).toBe(true);
  });
});

describe('DNS as a registry', () => {
  const web = { name: 'web', host: 'web.test', type: 'A', port: 80 } as const;

  it('takes both address families, and keeps one whose question fails', async () => {
    const resolver = createFakeResolver();
    resolver.a.set('web.test', ['10.0.0.1']);
    resolver.aaaa.set('web.test', ['fd00::1']);
    const dns = await start(resolver, [web]);
    expect(dns.addresses()).toEqual(['10.0.0.1', 'fd00::1']);
    resolver.aaaa.set('web.test', 'ESERVFAIL');
    resolver.a.set('web.test', ['10.0.0.2']);
    await dns.clock.advanceAsync(5000);
    expect(dns.addresses()).toEqual(['10.0.0.2', 'fd00::1']);
    expect(dns.last()?.degraded).toMatchObject({ kind: 'unreachable' });
  });

  it('does not mind a server that has never heard of AAAA', async () => {
    const resolver = createFakeResolver();
    resolver.a.set('web.test', ['10.0.0.1']);
    resolver.aaaa.set('web.test', 'ENOTIMP');
    expect((await start(resolver, [web])).last()).toMatchObject({ complete: true, problems: [] });
  });

  it('believes an empty answer once it was confirmed', async () => {
    const resolver = createFakeResolver();
    resolver.a.set('web.test', ['10.0.0.1']);
    const dns = await start(resolver, [web]);
    resolver.a.delete('web.test');
    await dns.clock.advanceAsync(5000);
    expect(dns.last()?.degraded?.kind).toBe('suspect');
    await dns.clock.advanceAsync(1000);
    expect(dns.last()?.degraded).toBeUndefined();
    expect(dns.addresses()).toEqual([]);
  });

  it('asks again when the time to live is over, at least every interval, at most every second', async () => {
    const resolver = createFakeResolver();
    resolver.a.set('web.test', ['10.0.0.1']);
    resolver.ttl = 2;
    const dns = await start(resolver, [web]);
    expect(dns.clock.nextIn()).toBe(2000);
    resolver.ttl = 0;
    await dns.clock.advanceAsync(2000);
    expect(dns.clock.nextIn()).toBe(5000);
    resolver.ttl = 600;
    await dns.clock.advanceAsync(5000);
    expect(dns.clock.nextIn()).toBe(5000);
  });

  it('serves the names that answer while another one fails, and says which', async () => {
    const resolver = createFakeResolver();
    resolver.a.set('web.test', ['10.0.0.1']).set('api.test', 'ESERVFAIL');
    resolver.aaaa.set('api.test', 'ESERVFAIL');
    const dns = await start(resolver, [web, { name: 'api', host: 'api.test', type: 'A' }]);
    expect(dns.last()).toMatchObject({ complete: true, degraded: { kind: 'partial' } });
    expect(dns.last()?.degraded?.reason).toContain('api.test');
    expect(dns.addresses()).toEqual(['10.0.0.1']);
    expect(dns.addresses('api')).toEqual([]);
  });
});

describe('SRV records', () => {
  const record = (priority: number, name: string): SrvRecord => ({ name, port: 1, priority, weight: 0 });
  it('are used from the lowest priority only', () => {
    expect(preferred([record(2, 'b'), record(1, 'a'), record(1, 'c'), record(1, '.')]).map(({ name }) => name)).toEqual(
      ['a', 'c'],
    );
  });
  it.each([
    [0, 0, 1],
    [7, 100, 7],
    [128, 128, 128],
    [50, 200, 32],
    [1, 65_535, 1],
    [65_535, 65_535, 128],
  ])('weigh %i of %i as %i', (weight, largest, expected) => {
    expect(srvWeight(weight, largest)).toBe(expected);
  });
});
