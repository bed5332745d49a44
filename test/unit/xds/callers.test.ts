// Who is let in and for how long: whatever goes wrong, nobody is taken for somebody.
import { describe, expect, it } from 'vitest';
import type { Caller, Credentials } from '../../../src/model/principal.ts';
import { type Logger, silentLogger } from '../../../src/util/log.ts';
import { createCallers } from '../../../src/xds/callers.ts';
import type { Expulsion } from '../../../src/xds/sink.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createKnownCallers, principal } from '../../support/known-callers.ts';
import { createStaticViews } from '../../support/static-views.ts';

const hour = 3_600_000;

function rig(answer: () => Promise<Caller> | Caller) {
  const clock = createFakeClock();
  const lines: string[] = [];
  const log: Logger = { ...silentLogger, error: (...line) => void lines.push(JSON.stringify(line)) };
  const provider = createKnownCallers({ tokens: { secret: answer } });
  const callers = createCallers({ clock, log, provider });
  if (callers === undefined) throw new Error('nobody is asked');
  const stop = callers.listen();
  const over: Expulsion[] = [];
  const credentials: Credentials = {
    ...{ tls: true, authorization: ['Bearer secret'], consulToken: [], address: '127.0.0.1' },
  };
  const ask = () =>
    callers.ask(
      () => credentials,
      (why) => over.push(why),
    );
  return { clock, lines, provider, ask, over, stop };
}

it('asks nobody where the provider does not', () => {
  expect(createCallers({ clock: createFakeClock(), log: silentLogger, provider: createStaticViews() })).toBe(undefined);
});

describe('a fault of who answers', () => {
  it.each([
    ['throws', () => Promise.reject(new Error('Bearer secret'))],
    [
      'rejects',
      () => {
        throw new TypeError('Bearer secret');
      },
    ],
  ])('that %s lets nobody in, and its words are not logged', async (_, answer) => {
    const { ask, lines } = rig(answer);
    expect(await ask()).toMatchObject({ refused: 'unavailable', cause: 'unavailable' });
    expect(lines).toHaveLength(1);
    expect(lines.join()).not.toContain('secret');
  });
});

it('lets nobody in whose credentials cannot be read', () => {
  const callers = createCallers({
    ...{ clock: createFakeClock(), log: silentLogger },
    provider: createKnownCallers({ tokens: {} }),
  });
  const asked = callers?.ask(
    () => {
      throw new Error('no certificate can be read');
    },
    () => {},
  );
  expect(asked).toMatchObject({ refused: 'unavailable' });
});

describe('T15: the time of a principal', () => {
  it('ends what it was let in for, by the wall clock', () => {
    const { clock, ask, over } = rig(() => principal('a', { notAfterMs: clock.wall() + 5 * hour }));
    expect(ask()).toHaveProperty('principal.id', 'spiffe://test/svc/a');
    clock.advance(5 * hour - 1);
    expect(over).toEqual([]);
    clock.advance(1);
    expect(over).toEqual([{ cause: 'expired', message: 'credential expired, connect anew' }]);
    expect(clock.pending()).toBe(0);
  });

  it('is noticed within the hour when the clock was set', () => {
    const { clock, ask, over } = rig(() => principal('a', { notAfterMs: clock.wall() + 500 * hour }));
    void ask();
    clock.setWall(clock.wall() + 600 * hour);
    clock.advance(hour);
    expect(over).toHaveLength(1);
  });

  it.each([0, Number.NaN, Number.NEGATIVE_INFINITY])('that is over (%s) lets nobody in', (notAfterMs) => {
    const { clock, ask, over } = rig(() => principal('a', { notAfterMs }));
    expect(ask()).toMatchObject({ refused: 'unauthenticated', cause: 'expired' });
    expect([over.length, clock.pending()]).toEqual([0, 0]);
  });
});

describe('T15: a revocation', () => {
  it('ends within its call whom it names, once, and no other', () => {
    const { provider, ask, over, clock } = rig(() => principal('a'));
    for (let at = 0; at < 3; at++) void ask();
    provider.revoke('jti-b');
    expect(over).toHaveLength(0);
    provider.revoke('jti-b', 'jti-a');
    expect(over).toEqual(Array(3).fill({ cause: 'revoked', message: 'the credential was revoked' }));
    provider.revoke('jti-a');
    expect(over).toHaveLength(3);
    expect(clock.pending()).toBe(0);
  });

  it('does not concern who has left', async () => {
    const { provider, ask, over } = rig(() => principal('a'));
    const admitted = await ask();
    if ('refused' in admitted) throw new Error('refused');
    admitted.leave();
    provider.revoke('jti-a');
    expect(over).toEqual([]);
  });

  it('while it is being asked about lets nobody in, and is forgotten then', async () => {
    const answers: PromiseWithResolvers<Caller>[] = [];
    const { provider, ask, over } = rig(() => {
      const answer = Promise.withResolvers<Caller>();
      answers.push(answer);
      return answer.promise;
    });
    const asked = [ask(), ask()];
    provider.revoke('jti-a');
    answers[0]?.resolve(principal('a'));
    answers[1]?.resolve(principal('b'));
    expect(await asked[0]).toMatchObject({ refused: 'unauthenticated', cause: 'revoked' });
    expect(await asked[1]).toHaveProperty('principal.id', 'spiffe://test/svc/b');
    const anew = ask();
    answers[2]?.resolve(principal('a'));
    expect(await anew).toHaveProperty('principal.id', 'spiffe://test/svc/a');
    expect(over).toEqual([]);
  });

  it('is not listened for any more when that was stopped', () => {
    const { provider, stop } = rig(() => principal('a'));
    expect(provider.listeners()).toBe(1);
    stop();
    expect(provider.listeners()).toBe(0);
  });
});
