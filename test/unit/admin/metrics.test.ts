// prom-client behind our interface: names, labels, and one metric for two askers.
import { describe, expect, it } from 'vitest';
import { createPromMetrics } from '../../../src/admin/metrics.ts';

describe('createPromMetrics', () => {
  it('counts, sets and observes under the prefix', async () => {
    const metrics = createPromMetrics({ version: '1', node: 'n' });
    metrics.counter('a_total', 'a', ['kind']).add({ kind: 'x' });
    metrics.counter('a_total', 'a', ['kind']).add({ kind: 'x' }, 2);
    metrics.gauge('b', 'b').set({}, 7);
    metrics.histogram('c_seconds', 'c', [0.1, 1]).observe({}, 0.5);
    const { body } = await metrics.expose();
    for (const line of [
      'chancery_a_total{kind="x"} 3',
      'chancery_b 7',
      'chancery_c_seconds_bucket{le="0.1"} 0',
      'chancery_c_seconds_bucket{le="1"} 1',
      'chancery_c_seconds_count 1',
    ])
      expect(body).toContain(`${line}\n`);
  });

  it('keeps two registries apart', async () => {
    const one = createPromMetrics({ version: '1', node: 'n' });
    const two = createPromMetrics({ version: '1', node: 'n' });
    one.counter('a_total', 'a').add({});
    expect((await two.expose()).body).not.toContain('a_total');
  });
});
