import { describe, expect, it } from 'vitest';
import { readAnswer, statusFailure, stepIndex } from '../../../../src/util/consul/answer.ts';

describe('index rules of blocking queries', () => {
  it.each([
    { name: 'goes on from the answer', sent: 7, got: 9, next: 9, backwards: false },
    { name: 'keeps an index that stood still', sent: 7, got: 7, next: 7, backwards: false },
    { name: 'takes the first one', sent: undefined, got: 3, next: 3, backwards: false },
    { name: 'drops one that went backwards', sent: 7, got: 6, next: undefined, backwards: true },
    { name: 'never sends 0, which would not block', sent: undefined, got: 0, next: 1, backwards: false },
    { name: 'drops a good index for a 0', sent: 7, got: 0, next: undefined, backwards: true },
    { name: 'takes 0 after 1 as no step back', sent: 1, got: 0, next: undefined, backwards: false },
    { name: 'uses 1 where the header is missing', sent: 7, got: undefined, next: 1, backwards: false },
  ])('$name', ({ sent, got, next, backwards }) => {
    expect(stepIndex(sent, got)).toEqual({ next, backwards });
  });
});

describe('headers of an answer', () => {
  it('says when rows were filtered and when no leader is known', () => {
    const answer = readAnswer(
      200,
      { 'x-consul-index': '12', 'x-consul-knownleader': 'false', 'x-consul-results-filtered-by-acls': 'true' },
      [],
    );
    expect(answer).toMatchObject({ index: 12, filtered: true, leaderless: true });
  });
  it('does not take the streaming backend, which never names a leader, for leaderless', () => {
    const headers = { 'x-consul-knownleader': 'false', 'x-consul-query-backend': 'streaming' };
    expect(readAnswer(200, headers, []).leaderless).toBe(false);
  });
  it.each(['', 'abc', '-1', '1.5'])('has no index for the header "%s"', (text) => {
    expect(readAnswer(200, { 'x-consul-index': text }, []).index).toBeUndefined();
  });
});

describe('statuses that are failures', () => {
  it.each([
    { status: 403, body: 'Permission denied', code: 'CH1310', retryable: false },
    {
      status: 429,
      body: 'Your IP is issuing too many concurrent connections, please rate limit',
      code: 'CH1311',
      retryable: true,
    },
    { status: 429, body: 'rate limit exceeded', code: 'CH1312', retryable: true },
    { status: 500, body: Buffer.from('No cluster leader'), code: 'CH1312', retryable: true },
  ])('$status $code', ({ status, body, code, retryable }) => {
    const failure = statusFailure('health/service/web', status, body);
    expect(failure).toMatchObject({ code, retryable });
    expect(failure.message).toContain(body.toString().slice(0, 20));
    expect(failure.message).toContain('health/service/web');
  });
});
