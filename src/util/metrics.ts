// What the program needs of a metrics registry. prom-client stands behind it in admin/metrics.ts only.
// Invariant: label values are bounded; no node id, instance id or path is ever a label.

export type Labels = Readonly<Record<string, string>>;

export interface Counter {
  add(labels: Labels, by?: number): void;
}
export interface Gauge {
  set(labels: Labels, value: number): void;
}
export interface Histogram {
  /** Base units: seconds or bytes. */
  observe(labels: Labels, value: number): void;
}

export interface Metrics {
  /** `name` without the `chancery_` prefix; counters end in `_total`. */
  counter(name: string, help: string, labels?: readonly string[]): Counter;
  gauge(name: string, help: string, labels?: readonly string[]): Gauge;
  histogram(name: string, help: string, buckets: readonly number[], labels?: readonly string[]): Histogram;
}

const nothing = { add: () => {}, set: () => {}, observe: () => {} };
/** Measures nothing. */
export const noMetrics: Metrics = { counter: () => nothing, gauge: () => nothing, histogram: () => nothing };
