// Asking Prometheus: for so long and no longer, and nobody else.
import { expect, it } from 'vitest';
import { createPrometheusClient } from '../../../src/cli/prometheus.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

it('waits for an answer for ten seconds, and follows nobody who sends it elsewhere', async () => {
  const clock = createFakeClock();
  const asked: RequestInit[] = [];
  const fetch = (_: unknown, init: RequestInit = {}): Promise<Response> => {
    asked.push(init);
    return new Promise((_resolve, reject) => {
      init.signal?.addEventListener('abort', () => reject(init.signal?.reason as Error));
    });
  };
  const { signal } = new AbortController();
  const answer = createPrometheusClient({ fetch, clock, signal }, 'http://prom:9090').query('up');
  const told = expect(answer).rejects.toMatchObject({
    message: '[CH1861] no answer from http://prom:9090',
    cause: { message: 'no answer within 10 s' },
  });
  clock.advance(9_999);
  expect(asked[0]?.signal?.aborted).toBe(false);
  clock.advance(1);
  await told;
  expect(asked).toEqual([expect.objectContaining({ redirect: 'error' })]);
  expect(asked[0]).not.toHaveProperty('headers');
});
