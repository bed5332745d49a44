import { describe, expect, it } from 'vitest';
import { blamed, createLedger, refusals, revisionOf } from '../../../src/control/ledger.ts';
import type { Resource } from '../../../src/resources/resource.ts';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { testClient } from '../../support/worlds.ts';

const client = testClient('edge-1');
const sent = (nonce: string) =>
  ({
    kind: 'sent',
    streamId: 1,
    type: typeUrls.cluster,
    nonce,
    resources: new Map([['api', 'v1']]),
    removed: [],
    bytes: 10,
  }) as const;

function opened() {
  const clock = createFakeClock();
  const ledger = createLedger(clock);
  ledger.take({ kind: 'open', client, variant: 'delta', aggregated: true }, 1);
  return { clock, ledger };
}

describe('ledger', () => {
  it('settles a stream by its own word, not by one ACK of several steps, and says how long it took', () => {
    const { clock, ledger } = opened();
    ledger.take(sent('1'), 1);
    ledger.take({ ...sent('2'), type: typeUrls.listener }, 1);
    clock.advance(5);
    expect(ledger.take({ kind: 'ack', streamId: 1, type: typeUrls.cluster, nonce: '1' }, 3)).toBeUndefined();
    clock.advance(2);
    expect(ledger.take({ kind: 'ack', streamId: 1, type: typeUrls.listener, nonce: '2' }, 3)).toBeUndefined();
    expect(ledger.stream(1)).toMatchObject({ revision: 0, unsettledSinceMs: expect.any(Number) });
    const settled = ledger.take({ kind: 'idle', streamId: 1 }, 3);
    expect(settled?.afterMs).toBe(7);
    expect(ledger.stream(1)?.revision).toBe(3);
  });

  it('counts the time from the publication, not from the send', () => {
    const { clock, ledger } = opened();
    ledger.take({ kind: 'idle', streamId: 1 }, 1);
    const at = clock.now();
    clock.advance(3);
    ledger.published(1, { atMs: at, revision: 1 });
    ledger.take(sent('1'), 2);
    clock.advance(4);
    ledger.take({ kind: 'ack', streamId: 1, type: typeUrls.cluster, nonce: '1' }, 2);
    expect(ledger.take({ kind: 'idle', streamId: 1 }, 2)?.afterMs).toBe(7);
  });

  it('brings a stream up to date with what does not concern it, and with nothing that still waits', () => {
    const { ledger } = opened();
    const record = ledger.stream(1);
    if (record === undefined) throw new Error('no stream');
    expect(revisionOf(record, 1)).toBe(0);
    expect(ledger.take({ kind: 'idle', streamId: 1 }, 1)).toBeUndefined();
    expect(revisionOf(record, 2)).toBe(2);
    // Told of a change, and held by a gate, a slow reader or its turn: nothing is sent yet.
    ledger.published(1, { atMs: 0, revision: 2 });
    ledger.published(1, { atMs: 5, revision: 3 });
    expect(revisionOf(record, 4)).toBe(2);
    expect(record.unsettledSinceMs).toBe(0);
    // It turned out to be nothing that it wants: up to date, but no acknowledgement to speak of.
    expect(ledger.take({ kind: 'idle', streamId: 1 }, 4)).toBeUndefined();
    expect(revisionOf(record, 4)).toBe(4);
  });

  it('keeps a refusal standing until a later version of the name is acknowledged, or the view no longer holds it', () => {
    const { ledger } = opened();
    const resources = new Map([['api', 'v1']]);
    const view = (version: string) => ({ id: 'v', get: () => ({ version }) as Resource, names: () => ['api'] });
    ledger.take(sent('1'), 1);
    ledger.take({ kind: 'nack', streamId: 1, type: typeUrls.cluster, nonce: '1', message: 'bad', resources }, 1);
    const record = ledger.stream(1);
    if (record === undefined) throw new Error('no stream');
    expect(refusals(record, view('v1'))).toEqual([{ type: 'CDS', message: 'bad' }]);
    expect(ledger.typeStatus(record, view('v1'))['CDS']).toMatchObject({ state: 'rejected', rejections: 1, pushes: 1 });
    expect(refusals(record, view('v2'))).toEqual([]);
    ledger.take({ ...sent('2'), resources: new Map([['web', 'v1']]) }, 1);
    ledger.take({ kind: 'ack', streamId: 1, type: typeUrls.cluster, nonce: '2' }, 1);
    expect(refusals(record, view('v1')).length).toBe(1);
    ledger.take({ ...sent('3'), resources: new Map([['api', 'v2']]) }, 1);
    ledger.take({ kind: 'ack', streamId: 1, type: typeUrls.cluster, nonce: '3' }, 1);
    expect(refusals(record, view('v1'))).toEqual([]);
  });

  it('calls a type in sync that came back with what it should have and was sent nothing', () => {
    const { ledger } = opened();
    ledger.take({ kind: 'subscribe', streamId: 1, type: typeUrls.cluster, names: 0, wildcard: true }, 1);
    const record = ledger.stream(1);
    if (record === undefined) throw new Error('no stream');
    expect(ledger.typeStatus(record, undefined)['CDS']?.state).toBe('pending');
    ledger.take({ kind: 'idle', streamId: 1 }, 1);
    expect(ledger.typeStatus(record, undefined)['CDS']?.state).toBe('acked');
  });

  it('remembers a proxy as offline only when its last stream has closed, and forgets it when it is back', () => {
    const { ledger } = opened();
    ledger.take({ kind: 'open', client: { ...client, streamId: 2 }, variant: 'delta', aggregated: false }, 1);
    ledger.take({ kind: 'close', streamId: 1, reason: '' }, 1);
    expect([...ledger.offline()]).toEqual([]);
    ledger.take({ kind: 'close', streamId: 2, reason: '' }, 1);
    expect([...ledger.offline()].map(({ client: { nodeId } }) => nodeId)).toEqual(['edge-1']);
    ledger.take({ kind: 'open', client: { ...client, streamId: 3 }, variant: 'delta', aggregated: true }, 1);
    expect([...ledger.offline()]).toEqual([]);
  });

  it('blames the resources that the refusal names, else all of the response', () => {
    expect(
      blamed(typeUrls.listener, ['in-8080', 'out'], 'listener in-8080: duplicate address').map(({ name }) => name),
    ).toEqual(['in-8080']);
    expect(blamed(typeUrls.listener, ['a', 'b'], '???').map(({ name }) => name)).toEqual(['a', 'b']);
  });
});
