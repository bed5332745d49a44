// Opening the authority where a store is away: what is waited for, what ends it, and that it stops at once.
import { describe, expect, it } from 'vitest';
import { createTrustOpening } from '../../../src/cli/trust-opening.ts';
import { AppError } from '../../../src/util/errors.ts';
import { type Logger, silentLogger } from '../../../src/util/log.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

const away = (): AppError => new AppError('CH1821', 'no connection to http://etcd', { retryable: true });

function rig(answers: readonly (AppError | 'hangs' | undefined)[]) {
  const clock = createFakeClock();
  const said: string[] = [];
  const log: Logger = {
    ...silentLogger,
    warn: (message: string) => void said.push(`warn ${message}`),
    info: (message: string) => void said.push(`info ${message}`),
  };
  let asked = 0;
  const opening = createTrustOpening(
    { clock, random: () => 1, log },
    {
      async open() {
        const answer = answers[asked++];
        if (answer === 'hangs') await new Promise(() => {});
        if (answer instanceof AppError) throw answer;
      },
    },
  );
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { clock, said, opening, asked: () => asked, settle, stop: new AbortController() };
}

describe('opening the authority', () => {
  it('asks again, more and more seldom, says so once, and is open once the store is there', async () => {
    const { clock, said, opening, asked, settle, stop } = rig([away(), away(), away(), undefined]);
    const open = opening.open(stop.signal);
    for (const [count, waitMs] of [200, 400, 800].entries()) {
      await settle();
      expect([asked(), opening.waitingFor()]).toEqual([count + 1, ['the store of trust (unreachable)']]);
      clock.advance(waitMs - 1);
      await settle();
      expect(asked()).toBe(count + 1);
      clock.advance(1);
    }
    expect(await open).toBe(true);
    expect(opening.waitingFor()).toEqual([]);
    expect(said).toEqual([
      'warn waiting for the store of trust, and asking again; nobody is let in before',
      'info the store of trust is there',
    ]);
  });

  it.each([
    ['a refusal', new AppError('CH1822', 'the token may not')],
    ['another key', new AppError('CH1869', 'it does not open')],
    ['a folder that cannot be used', new AppError('CH1821', 'EACCES')],
  ])('is ended by an answer: %s', async (_what, answer) => {
    const { opening, stop } = rig([answer]);
    await expect(opening.open(stop.signal)).rejects.toBe(answer);
    expect(opening.waitingFor()).toEqual([]);
  });

  it('is ended by an answer that comes after an absence', async () => {
    const refusal = new AppError('CH1822', 'the token may not');
    const { clock, opening, settle, stop } = rig([away(), refusal]);
    const open = opening.open(stop.signal);
    const ended = expect(open).rejects.toBe(refusal);
    await settle();
    clock.advance(200);
    await ended;
  });

  it.each([
    ['waits', away()],
    ['asks', 'hangs' as const],
  ])('stops at once while it %s', async (_what, answer) => {
    const { opening, settle, stop } = rig([answer]);
    const open = opening.open(stop.signal);
    await settle();
    stop.abort();
    expect(await open).toBe(false);
  });
});
