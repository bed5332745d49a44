import { expect, it } from 'vitest';
import { createLedger } from '../../../src/control/ledger.ts';
import { groupRefusals } from '../../../src/control/refusals.ts';
import type { OpenView } from '../../../src/control/views.ts';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { resource, viewOf } from '../../support/static-views.ts';
import { testClient } from '../../support/worlds.ts';

const CDS = typeUrls.cluster;
const from = { source: 'objects', file: 'cart.yaml', line: 3, column: 1, object: 'Service default/cart' };
const cart = { ...resource(CDS, 'cart', { content: 'bad' }), provenance: [from] };
const api = resource(CDS, 'api');

it('refusals of one content are one, with the first time and all who refuse; they go with its cause', () => {
  const clock = createFakeClock();
  const ledger = createLedger(clock);
  let view = viewOf([cart, api]);
  const refusals = () => groupRefusals(ledger.streams(), () => ({ view }) as OpenView);
  const nack = (streamId: number, message: string): void => {
    const resources = new Map([cart, api].map(({ name, version }) => [name, version]));
    const nonce = `${streamId}`;
    ledger.take({ kind: 'sent', streamId, type: CDS, nonce, resources, removed: [], bytes: 1 }, 1);
    ledger.take({ kind: 'nack', streamId, type: CDS, nonce, message, resources }, 1);
  };
  for (let streamId = 1; streamId <= 7; streamId++) {
    const client = testClient(`node-${streamId}`, { streamId });
    ledger.take({ kind: 'open', client, variant: 'delta', aggregated: true }, 1);
  }
  const startMs = clock.wall();
  nack(1, 'cart: no such thing');
  clock.advance(60_000);
  for (let streamId = 1; streamId <= 6; streamId++) nack(streamId, 'cart: still none');
  expect(refusals()).toEqual([
    {
      ...{ type: 'CDS', name: 'cart', sinceMs: startMs, proxies: 6, provenance: [from] },
      nodes: ['node-1', 'node-2', 'node-3', 'node-4', 'node-5'],
      message: 'cart: still none',
    },
  ]);
  for (let streamId = 2; streamId <= 6; streamId++) ledger.take({ kind: 'close', streamId, reason: '' }, 1);
  expect(refusals()).toMatchObject([{ proxies: 1, nodes: ['node-1'] }]);
  view = viewOf([resource(CDS, 'cart', { content: 'mended' }), api]);
  expect(refusals()).toEqual([]);
});
