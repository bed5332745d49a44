// What holds for every service beside discovery, and the limits of client status, without a network.
import { describe, expect, it } from 'vitest';
import { typeUrls } from '../../../../src/resources/type-urls.ts';
import { silentLogger } from '../../../../src/util/log.ts';
import type { ClientConfig } from '../../../../src/xds/contract.ts';
import { maxDescribed } from '../../../../src/xds/description.ts';
import { createDoor } from '../../../../src/xds/door.ts';
import { createClientStatus } from '../../../../src/xds/services/client-status.ts';
import { createServices } from '../../../../src/xds/services/services.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { field } from '../../../support/hostile/frames.ts';
import { createStaticViews } from '../../../support/static-views.ts';
import { testClient } from '../../../support/worlds.ts';
import { createFakeSink } from './fake-sink.ts';

function fixture() {
  const clock = createFakeClock();
  const services = createServices({
    ...{ clock, log: silentLogger, provider: createStaticViews(), onEvent: () => {}, nextStreamId: () => 1 },
    ...{ clients: async () => [], names: () => [], loadIntervalMs: 10_000, descriptors: undefined },
    door: createDoor(undefined),
  });
  const [method] = services.methods;
  if (method === undefined) throw new Error('there is no service');
  return { clock, services, method };
}

describe('a stream of a service', () => {
  it('is ended when nothing comes on it, and not when something does', () => {
    const { clock, method } = fixture();
    const [silent, asking, gone] = [createFakeSink(), createFakeSink(), createFakeSink()];
    method.open(silent);
    const listener = method.open(asking);
    listener.incoming(Buffer.alloc(0));
    method.open(gone).closed('gone');
    clock.advance(60_000);
    expect([silent.said.at(-1), asking.said.at(-1), gone.said.at(-1)]).toEqual([
      'end deadline-exceeded',
      'pause',
      'pause',
    ]);
    listener.closed('gone');
    expect(clock.pending()).toBe(0);
  });

  it('that asks is one of few, asks little at a time, and is not kept while it asks nothing', () => {
    const { clock, services, method } = fixture();
    const sinks = Array.from({ length: 33 }, () => createFakeSink());
    const [first, ...others] = sinks.map((sink) => method.open(sink));
    expect(sinks.map(({ said }) => said.at(-1))).toEqual([...Array(32).fill('pause'), 'end resource-exhausted']);
    for (const one of others) one.closed('gone');
    const another = createFakeSink();
    method.open(another).incoming(Buffer.alloc(300_000));
    expect(another.said.at(-1)).toBe('end resource-exhausted');
    first?.incoming(Buffer.alloc(0));
    clock.advance(301_000);
    expect(sinks[0]?.said.at(-1)).toBe('end deadline-exceeded');
    const report = services.methods.find(({ path }) => path.endsWith('StreamLoadStats'));
    const reporting = Array.from({ length: 100 }, () => createFakeSink());
    for (const sink of reporting) report?.open(sink).incoming(Buffer.alloc(300_000));
    clock.advance(301_000);
    expect(new Set(reporting.map(({ said }) => said.at(-1)))).toEqual(new Set(['pause']));
  });

  it('is ended when the server stops, and so is one that comes then', () => {
    const { services, method } = fixture();
    const [open, late] = [createFakeSink(), createFakeSink()];
    method.open(open);
    services.stop();
    method.open(late);
    expect([open.said.at(-1), late.said.at(-1)]).toEqual(['end unavailable', 'end unavailable']);
  });
});

it('clients whose clusters are the same are asked for their load by one message', async () => {
  const { services } = fixture();
  const report = services.methods.find(({ path }) => path.endsWith('StreamLoadStats'));
  const sinks = [createFakeSink(), createFakeSink()];
  for (const sink of sinks) report?.open(sink).incoming(field(1, field(1, 'node')));
  await expect.poll(() => sinks.map(({ messages }) => messages.length)).toEqual([1, 1]);
  expect(sinks[0]?.messages[0]).toBe(sinks[1]?.messages[0]);
});

describe('client status', () => {
  const ask = async (address: string, resources: number) => {
    const sink = createFakeSink(address);
    const config: ClientConfig = {
      ...{ client: testClient('a'), variant: 'delta', aggregated: true },
      resources: Array.from({ length: resources }, () => ({
        ...{ type: typeUrls.cluster, name: 'c', status: 'not-sent' as const, resource: undefined, held: '' },
      })),
    };
    const open = createClientStatus({ log: silentLogger, clients: async () => [config] }, true);
    const path = '/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus';
    createDoor(undefined).admit(sink, path, open).incoming(Buffer.alloc(0));
    await expect.poll(() => sink.said.at(-1)).toMatch(/^end/);
    return { end: sink.said.at(-1), messages: sink.messages.length };
  };

  it('is answered on loopback only', async () => {
    expect(await ask('127.0.0.1', 1)).toEqual({ end: 'end ok', messages: 1 });
    expect(await ask('10.0.0.1', 1)).toEqual({ end: 'end permission-denied', messages: 0 });
  });

  it('is not answered in part where it would be too large', async () => {
    expect(await ask('::1', maxDescribed + 1)).toEqual({ end: 'end resource-exhausted', messages: 0 });
  });
});
