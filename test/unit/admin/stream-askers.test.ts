// Tokens of the API on gRPC streams: what the HTTP API would take, and nothing else.
import { expect, it } from 'vitest';
import { createStreamAskers } from '../../../src/admin/stream-askers.ts';
import type { AccessToken } from '../../../src/identity/access-token.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

const text = `ca1.peek.${'x'.repeat(43)}`;
const peek: AccessToken = { name: 'peek', role: 'reader', createdBy: '', createdAtMs: 0, expiresAtMs: 1 };

function rig(check: (given: string) => Promise<AccessToken | undefined>) {
  const accessTokens = { check, isListed: async () => false };
  const askerOf = createStreamAskers({ clock: createFakeClock(), token: 'first', accessTokens });
  return (...authorization: string[]) => askerOf({ tls: true, consulToken: [], address: '10.0.0.1', authorization });
}

it('T11: knows the first token and those of the store, and takes everything else for nobody', async () => {
  const ask = rig(async (given) => (given === text ? peek : undefined));
  expect(await ask('Bearer first')).toMatchObject({ kind: 'role', role: 'operator' });
  expect(await ask(`Bearer ${text}`)).toEqual({ kind: 'role', role: 'reader', name: 'peek' });
  for (const given of [[], ['first'], ['Bearer firs'], [`Bearer ${text}x`], ['Bearer first', 'Bearer first']])
    expect(await ask(...given)).toEqual({ kind: 'nobody' });
});

it('T11: tells by no token that the store is away, and slows down who guesses', async () => {
  const away = rig(async () => Promise.reject(new Error(`about ${text}`)));
  const answer = await away(`Bearer ${text}`);
  expect(answer).toMatchObject({ refused: 'unavailable', cause: 'unavailable' });
  expect(JSON.stringify(answer)).not.toContain(text);
  const ask = rig(async () => undefined);
  for (let guess = 0; guess < 30; guess++) await ask('Bearer guess');
  expect(await ask('Bearer guess')).toMatchObject({ refused: 'unavailable', cause: 'rate-limited' });
  expect(await ask('Bearer first')).toMatchObject({ kind: 'role' });
});
