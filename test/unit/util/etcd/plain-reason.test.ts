import { expect, it } from 'vitest';
import { plainReason } from '../../../../src/util/etcd/access.ts';

it.each([
  [
    '14 UNAVAILABLE: No connection established. Last error: Failed to connect (2026-01-01T00:00:00.000Z)',
    'no connection to http://a:2379',
  ],
  ['4 DEADLINE_EXCEEDED: Deadline exceeded after 5.001s,remote_addr=1.2.3.4:5', 'no answer from http://a:2379 in 5 s'],
  ['14 UNAVAILABLE: etcdserver: no leader', 'no leader'],
  ['7 PERMISSION_DENIED: etcdserver: permission denied', 'permission denied'],
  ['the stream ended', 'the stream ended'],
])('etcd that says %j is told as %j', (text, reason) => {
  expect(plainReason(new Error(text), ['http://a:2379'])).toBe(reason);
});
