// What control tells of proxies: on the real chain, with a source in memory and a stream's events by hand.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ControlEvent } from '../../../src/control/contract.ts';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { startTestPlane, type TestPlane } from '../../support/plane.ts';
import { testClient } from '../../support/worlds.ts';

const clock = createFakeClock();
let plane: TestPlane;
let events: ControlEvent[];

beforeEach(async () => {
  plane = startTestPlane({ services: 2, instances: 1, clock });
  await clock.advanceAsync(1000);
  events = [];
  plane.control.subscribe((event) => events.push(event));
});
afterEach(() => plane.stop());

/** A stream as the xDS server opens and ends it. */
function stream(streamId: number, node = 'edge-1') {
  const { control } = plane;
  const client = testClient(node, { nodeCluster: 'edge', streamId });
  const opened = control.open(client, () => control.xdsEvent({ kind: 'due', streamId: client.streamId }));
  if ('refused' in opened) throw new Error(opened.message);
  control.xdsEvent({ kind: 'open', client, variant: 'delta', aggregated: true });
  return {
    close() {
      opened.close();
      control.xdsEvent({ kind: 'close', streamId, reason: 'test' });
    },
  };
}

const states = (): string[] => events.flatMap((event) => (event.kind === 'proxy' ? [event.state] : []));
const route = (status: number): string =>
  `apiVersion: chancery/v1\nkind: Route\nmetadata: {name: one}\nspec:\n  hosts: [one.example]\n  rules: [{respond: {status: ${status}}}]\n`;

describe('control', () => {
  it('tells that a proxy is gone when its last stream has ended', () => {
    const first = stream(1);
    const second = stream(2);
    first.close();
    expect(states()).toEqual(['pending', 'pending']);
    second.close();
    expect(states()).toEqual(['pending', 'pending', 'offline']);
  });

  it('calls a proxy synced only when nothing of the newest World waits for it', async () => {
    const { control } = plane;
    const state = (): string | undefined => control.status().proxies[0]?.state;
    stream(1);
    control.xdsEvent({ kind: 'idle', streamId: 1 });
    expect(state()).toBe('synced');
    await plane.objects.put({ path: 'one.yaml', text: route(200) });
    await clock.advanceAsync(1000);
    // Told of the change, not pumped yet.
    expect(state()).toBe('pending');
    const sent = { streamId: 1, removed: [], bytes: 1, resources: new Map([['one', '1']]) };
    control.xdsEvent({ kind: 'sent', type: typeUrls.cluster, nonce: '1', ...sent });
    control.xdsEvent({ kind: 'ack', streamId: 1, type: typeUrls.cluster, nonce: '1' });
    // The route waited for the cluster.
    expect(state()).toBe('pending');
    control.xdsEvent({ kind: 'sent', type: typeUrls.routes, nonce: '2', ...sent });
    control.xdsEvent({ kind: 'ack', streamId: 1, type: typeUrls.routes, nonce: '2' });
    control.xdsEvent({ kind: 'idle', streamId: 1 });
    expect(state()).toBe('synced');
    expect(events.filter(({ kind }) => kind === 'acked').length).toBe(1);
  });

  it('adds up the streams of one node, and shows the worst of them', () => {
    const { control } = plane;
    const type = typeUrls.listener;
    for (const streamId of [1, 2]) {
      stream(streamId);
      control.xdsEvent({ kind: 'subscribe', streamId, type, names: streamId, wildcard: false });
      const sent = { streamId, removed: [], bytes: 1, resources: new Map([['one', '1']]) };
      control.xdsEvent({ kind: 'sent', type, nonce: '1', ...sent });
    }
    const shown = () => control.status().proxies[0]?.types['LDS'];
    control.xdsEvent({ kind: 'ack', streamId: 2, type, nonce: '1' });
    expect(shown()).toMatchObject({ state: 'pending', resources: 3, pushes: 2, rejections: 0 });
    control.xdsEvent({ kind: 'ack', streamId: 1, type, nonce: '1' });
    expect(shown()).toMatchObject({ state: 'acked', resources: 3, pushes: 2, rejections: 0 });
  });

  it('names a bounded number of resources with one rejection', () => {
    stream(1);
    const resources = new Map(Array.from({ length: 5000 }, (_, index) => [`c${index}`, '1']));
    plane.control.xdsEvent({ kind: 'nack', streamId: 1, type: typeUrls.cluster, nonce: '1', message: 'no', resources });
    expect(plane.control.status().rejections[0]?.resources.length).toBe(20);
  });

  it('tells a problem again when it comes back', async () => {
    const told = (): number =>
      events.filter((event) => event.kind === 'problem' && event.problem.severity === 'error').length;
    for (const text of ['kind: Nonsense\n', route(200), 'kind: Nonsense\n']) {
      await plane.objects.put({ path: 'one.yaml', text });
      await clock.advanceAsync(1000);
    }
    expect(told()).toBe(2);
  });
});
