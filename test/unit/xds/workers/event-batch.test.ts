// Events that cross between threads.
import { describe, expect, it } from 'vitest';
import { typeUrls } from '../../../../src/resources/type-urls.ts';
import type { XdsEvent } from '../../../../src/xds/contract.ts';
import { packEvents, unpackEvents } from '../../../../src/xds/workers/event-batch.ts';
import { testClient } from '../../../support/worlds.ts';

const sent = (streamId: number, nonce: string): XdsEvent => ({
  kind: 'sent',
  streamId,
  type: typeUrls.endpoints,
  nonce,
  resources: new Map([['a', `version of ${nonce}`]]),
  removed: ['b'],
  bytes: 10,
});
const events: readonly XdsEvent[] = [
  { kind: 'open', client: testClient('n', { streamId: 7 }), variant: 'delta', aggregated: true },
  { kind: 'subscribe', streamId: 7, type: typeUrls.cluster, names: 2, wildcard: false },
  { kind: 'due', streamId: 7 },
  sent(7, 'x-1'),
  sent(8, 'x-1'),
  sent(9, 'x-2'),
  { kind: 'ack', streamId: 8, type: typeUrls.endpoints, nonce: 'x-1' },
  { kind: 'ack', streamId: 8, type: typeUrls.cluster, nonce: 'x-1' },
  { kind: 'ack', streamId: 7, type: typeUrls.endpoints, nonce: 'x-1' },
  { kind: 'idle', streamId: 7 },
  {
    kind: 'nack',
    streamId: 9,
    type: typeUrls.endpoints,
    nonce: 'x-2',
    message: 'no',
    resources: new Map([['a', 'version of x-2']]),
  },
  { kind: 'close', streamId: 9, reason: 'gone' },
];

describe('a batch of events', () => {
  it('comes out as it went in, across threads', () => {
    expect(unpackEvents(structuredClone(packEvents(events)))).toEqual(events);
  });

  it('holds what many streams say alike once', () => {
    const many = Array.from({ length: 1000 }, (_, streamId) => sent(streamId, 'x-1'));
    const batch = packEvents(many);
    expect(batch.templates).toHaveLength(1);
    expect(unpackEvents(structuredClone(batch))).toEqual(many);
  });
});
