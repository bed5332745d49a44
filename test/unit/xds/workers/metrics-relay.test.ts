// Metrics of several workers in one registry.
import { describe, expect, it } from 'vitest';
import { createPromMetrics } from '../../../../src/admin/metrics.ts';
import { createMetricsHub, createMetricsRelay } from '../../../../src/xds/workers/metrics-relay.ts';

function setUp() {
  const registry = createPromMetrics({ version: '0', node: 'n' });
  const hub = createMetricsHub(registry);
  const worker = (number: number) => {
    const relay = createMetricsRelay(() => {});
    return {
      counter: relay.counter('pushes_total', 'Pushes', ['type']),
      gauge: relay.gauge('streams', 'Streams'),
      histogram: relay.histogram('bytes', 'Bytes', [1, 10]),
      tell(): void {
        const report = relay.report();
        if (report !== undefined) hub.take(number, structuredClone(report));
      },
    };
  };
  const lines = async (): Promise<string[]> =>
    (await registry.expose()).body.split('\n').filter((line) => /^chancery_(pushes|streams|bytes)/.test(line));
  return { hub, one: worker(0), two: worker(1), lines };
}

describe('metrics of workers', () => {
  it('are summed: counters and observations over time, gauges over the workers alive', async () => {
    const { hub, one, two, lines } = setUp();
    one.counter.add({ type: 'EDS' }, 2);
    one.counter.add({ type: 'EDS' });
    two.counter.add({ type: 'EDS' });
    one.gauge.set({}, 3);
    two.gauge.set({}, 4);
    one.histogram.observe({}, 5);
    two.histogram.observe({}, 5);
    one.tell();
    two.tell();
    one.gauge.set({}, 1);
    one.tell();
    expect(await lines()).toEqual([
      'chancery_pushes_total{type="EDS"} 4',
      'chancery_streams 5',
      'chancery_bytes_bucket{le="1"} 0',
      'chancery_bytes_bucket{le="10"} 2',
      'chancery_bytes_bucket{le="+Inf"} 2',
      'chancery_bytes_sum 10',
      'chancery_bytes_count 2',
    ]);
    hub.drop(1);
    expect(await lines()).toContain('chancery_streams 1');
  });

  it('are reported only when something was measured', () => {
    const relay = createMetricsRelay(() => {});
    const counter = relay.counter('pushes_total', 'Pushes');
    expect(relay.report()).toMatchObject({ definitions: [{ name: 'pushes_total' }], samples: [] });
    expect(relay.report()).toBeUndefined();
    counter.add({});
    expect(relay.report()).toMatchObject({ definitions: [], samples: [{ value: 1 }] });
  });
});
