// Metrics of a worker, told to the one registry on the main thread: counters and observations as what came since the last
// report, gauges as they are. It must not know what is measured. Invariant: no label tells workers apart; a gauge is the sum
// over the workers that are alive.
import type { Gauge, Histogram, Labels, Metrics } from '../../util/metrics.ts';

interface Definition {
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly name: string;
  readonly help: string;
  readonly buckets: readonly number[];
  readonly labels: readonly string[];
}

interface Sample {
  readonly name: string;
  readonly labels: Labels;
  value: number;
}

export interface MetricsReport {
  readonly definitions: readonly Definition[];
  readonly samples: readonly Sample[];
}

export interface MetricsRelay extends Metrics {
  /** What came since the last call; undefined if nothing did. */
  report(): MetricsReport | undefined;
}

const keyOf = (name: string, labels: Labels): string => `${name} ${JSON.stringify(labels)}`;

/** The worker's side. `onSample` is called when there is something to report. */
export function createMetricsRelay(onSample: () => void): MetricsRelay {
  let definitions: Definition[] = [];
  let observations: Sample[] = [];
  let changed = new Map<string, Sample>();

  function record(name: string, labels: Labels, change: (before: number | undefined) => number): void {
    const key = keyOf(name, labels);
    const sample = changed.get(key);
    if (sample === undefined) changed.set(key, { name, labels, value: change(undefined) });
    else sample.value = change(sample.value);
    onSample();
  }

  return {
    counter(name, help, labels = []) {
      definitions.push({ kind: 'counter', name, help, buckets: [], labels });
      return { add: (values, by = 1) => record(name, values, (before = 0) => before + by) };
    },
    gauge(name, help, labels = []) {
      definitions.push({ kind: 'gauge', name, help, buckets: [], labels });
      return { set: (values, value) => record(name, values, () => value) };
    },
    histogram(name, help, buckets, labels = []) {
      definitions.push({ kind: 'histogram', name, help, buckets, labels });
      return {
        observe(values, value) {
          observations.push({ name, labels: values, value });
          onSample();
        },
      };
    },
    report() {
      if (definitions.length + observations.length + changed.size === 0) return undefined;
      const report = { definitions, samples: [...changed.values(), ...observations] };
      definitions = [];
      observations = [];
      changed = new Map();
      return report;
    },
  };
}

export interface MetricsHub {
  /** Takes a report of the worker with this number. */
  take(worker: number, report: MetricsReport): void;
  /** The worker is gone: its gauges count no more. */
  drop(worker: number): void;
}

/** The main thread's side. */
export function createMetricsHub(metrics: Metrics): MetricsHub {
  const apply = new Map<string, (worker: number, sample: Sample) => void>();
  /** By gauge and labels: the value of each worker. */
  const gauges = new Map<string, { gauge: Gauge; labels: Labels; readonly values: Map<number, number> }>();

  function settle({ gauge, labels, values }: { gauge: Gauge; labels: Labels; values: Map<number, number> }): void {
    let sum = 0;
    for (const value of values.values()) sum += value;
    gauge.set(labels, sum);
  }

  function define({ kind, name, help, buckets, labels }: Definition): void {
    if (apply.has(name)) return;
    if (kind === 'counter') {
      const counter = metrics.counter(name, help, labels);
      apply.set(name, (_worker, sample) => counter.add(sample.labels, sample.value));
    } else if (kind === 'histogram') {
      const histogram: Histogram = metrics.histogram(name, help, buckets, labels);
      apply.set(name, (_worker, sample) => histogram.observe(sample.labels, sample.value));
    } else {
      const gauge = metrics.gauge(name, help, labels);
      apply.set(name, (worker, sample) => {
        const key = keyOf(name, sample.labels);
        const summed = gauges.get(key) ?? { gauge, labels: sample.labels, values: new Map<number, number>() };
        gauges.set(key, summed);
        summed.values.set(worker, sample.value);
        settle(summed);
      });
    }
  }

  return {
    take(worker, { definitions, samples }) {
      definitions.forEach(define);
      for (const sample of samples) apply.get(sample.name)?.(worker, sample);
    },
    drop(worker) {
      for (const summed of gauges.values()) if (summed.values.delete(worker)) settle(summed);
    },
  };
}
