// Places for event streams: the share of one token, what all have together, and the room of the token of the file.
import { describe, expect, it } from 'vitest';
import { Fault } from '../../../src/admin/fault.ts';
import { firstToken } from '../../../src/admin/gatekeeper.ts';
import { createStreamShares } from '../../../src/admin/stream-shares.ts';

const reader = (name: string) => ({ kind: 'role', role: 'reader', name }) as const;

function faultOf(work: () => unknown): Fault {
  try {
    work();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('shares of event streams', () => {
  it('T15: gives one token a quarter by default, and leaves the rest to others', () => {
    const shares = createStreamShares();
    for (let index = 0; index < 64; index++) shares.take(reader('greedy'));
    const fault = faultOf(() => shares.take(reader('greedy')));
    expect([fault.status, fault.code, fault.members]).toEqual([429, 'CH1721', { retryAfterSeconds: 10 }]);
    expect(fault.message).toContain('the token "greedy" has 64 event streams open');
    shares.take(reader('grafana'));
  });

  it('T15: keeps room for the token of the file that all others together cannot take', () => {
    const shares = createStreamShares({ all: 8, each: 2 });
    for (const name of ['a', 'a', 'b', 'b', 'c', 'c']) shares.take(reader(name));
    const fault = faultOf(() => shares.take(reader('d')));
    expect([fault.status, fault.message]).toEqual([429, expect.stringContaining('6 event streams are open')]);
    shares.take(reader(firstToken));
    shares.take(reader(firstToken));
    expect(faultOf(() => shares.take(reader(firstToken))).status).toBe(429);
  });

  it('does not take the places of the token of the file from others', () => {
    const shares = createStreamShares({ all: 4, each: 2 });
    for (const name of [firstToken, firstToken, 'a', 'b']) shares.take(reader(name));
    expect(faultOf(() => shares.take(reader('c'))).status).toBe(429);
  });

  it('has a place again once a stream ended, and no more than one for it', () => {
    const shares = createStreamShares({ all: 4, each: 1 });
    const leave = shares.take(reader('a'));
    expect(() => shares.take(reader('a'))).toThrow(Fault);
    leave();
    leave();
    shares.take(reader('a'));
    expect(() => shares.take(reader('a'))).toThrow(Fault);
  });
});
