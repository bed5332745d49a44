// `status` tells of a credential that nobody renewed, before its proxy is left out.
import { describe, expect, it } from 'vitest';
import type { ProxyStatus } from '../../../src/control/contract.ts';
import { createLedger } from '../../../src/control/ledger.ts';
import { statusReport } from '../../../src/control/status.ts';
import type { Principal } from '../../../src/model/principal.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { testClient } from '../../support/worlds.ts';

const day = 86_400_000;

function proxy(
  kind: Principal['credential']['kind'],
  { ageDays, lifeDays }: { ageDays: number; lifeDays: number },
): ProxyStatus | undefined {
  const clock = createFakeClock();
  const issuedAtMs = clock.wall() - ageDays * day;
  const ledger = createLedger(clock);
  const principal: Principal = {
    ...{ id: 'spiffe://mesh.local/gateway/edge', services: [], gateways: ['edge'] },
    ...(kind === 'consul' ? {} : { issuedAtMs }),
    notAfterMs: issuedAtMs + lifeDays * day,
    credential: { kind, id: 'one' },
  };
  const client = testClient('edge-1', { principal });
  ledger.take({ kind: 'open', client, variant: 'delta', aggregated: true }, 1);
  const report = statusReport({
    ...{ clock, world: undefined, publishedRevision: 1, waitingFor: [], ledger },
    ...{ viewOf: () => undefined, rejections: [], problems: [], holds: [] },
  });
  return report.proxies[0];
}

describe('a credential in status', () => {
  it('is told by kind and id, as it is revoked by', () => {
    expect(proxy('token', { ageDays: 0, lifeDays: 30 })?.credential).toEqual({ kind: 'token', id: 'one' });
  });
  it.each([
    ['token', { ageDays: 22, lifeDays: 30 }],
    ['certificate', { ageDays: 5, lifeDays: 7 }],
    ['consul', { ageDays: 0.99, lifeDays: 1 }],
  ] as const)('is nothing to tell of: %s', (kind, times) => {
    expect(proxy(kind, times)?.note).toBe('');
    expect(proxy(kind, times)).not.toHaveProperty('credentialEndsMs');
  });
  it.each([
    ['token', { ageDays: 23, lifeDays: 30 }],
    ['certificate', { ageDays: 6, lifeDays: 7 }],
  ] as const)('with less than a quarter of its life left is told of: %s', (kind, times) => {
    expect(proxy(kind, times)?.note).toMatch(/^its credential ends 20\d\d-\d\d-\d\dT\d\d:\d\dZ: run `chancery renew`/);
    expect(proxy(kind, times)?.credentialEndsMs).toBe(
      createFakeClock().wall() + (times.lifeDays - times.ageDays) * day,
    );
  });
});
