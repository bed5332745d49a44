// prom-client behind the Metrics interface: the only module that imports it, so that another client is one file's change.
// Gauges that mirror control's status are filled at scrape. Invariant: own Registry, every name starts with chancery_,
// label values come from closed sets.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { ClusterLoadStatus, Control } from '../control/contract.ts';
import type { Labels, Metrics } from '../util/metrics.ts';

const prefix = 'chancery_';

export interface PromMetrics extends Metrics {
  /** Fills the status gauges and the load counters at every scrape. */
  mirror(of: Pick<Control, 'status' | 'load' | 'certificates'>): void;
  /** Text exposition format. */
  expose(): Promise<{ readonly contentType: string; readonly body: string }>;
}

export interface MetricsOptions {
  readonly version: string;
  readonly node: string;
}

export function createPromMetrics(options: MetricsOptions): PromMetrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, prefix });
  new Gauge({
    name: `${prefix}build_info`,
    help: 'Always 1; the version is the label',
    labelNames: ['version', 'node'],
    registers,
  }).set({ version: options.version, node: options.node }, 1);
  // Two parts may ask for one metric (several sources of a kind): the second gets the first's.
  const made = new Map<string, unknown>();
  let refresh = (): void => {};
  function once<T>(name: string, make: () => T): T {
    const known = made.get(name);
    if (known !== undefined) return known as T;
    const metric = make();
    made.set(name, metric);
    return metric;
  }
  const config: MakeConfig = (name, help, labels = []) => ({
    name: prefix + name,
    help,
    labelNames: [...labels],
    registers,
  });

  return {
    counter: (name, help, labels) =>
      once(name, () => {
        const counter = new Counter(config(name, help, labels));
        const child = createChildren((values) => counter.labels({ ...values }));
        return { add: (values, by = 1) => child(values).inc(by) };
      }),
    gauge: (name, help, labels) =>
      once(name, () => {
        const gauge = new Gauge(config(name, help, labels));
        return { set: (values, value) => gauge.set({ ...values }, value) };
      }),
    histogram: (name, help, buckets, labels) =>
      once(name, () => {
        const histogram = new Histogram({ ...config(name, help, labels), buckets: [...buckets] });
        const child = createChildren((values) => histogram.labels({ ...values }));
        return { observe: (values, value) => child(values).observe(value) };
      }),
    mirror(of) {
      const proxies = new Gauge(config('proxies', 'Proxies by state', ['state']));
      const revision = new Gauge(config('snapshot_version', 'Revision of the served World'));
      const up = new Gauge(config('registry_up', '1 while the registry or object store answers whole', ['registry']));
      const services = new Gauge(config('registry_services', 'Services known'));
      const endpoints = new Gauge(config('registry_endpoints', 'Instances by health', ['health']));
      const problems = new Gauge(config('problems', 'Problems that stand, by severity', ['severity']));
      const held = new Gauge(config('guard_held', 'Sources held at their last good answer'));
      const fillLoad = createLoadMetrics(config);
      const certificates = new Gauge(config('certificates', 'Certificates that connected proxies have'));
      const expiry = new Gauge(
        config(
          'certificate_expiry_seconds',
          'When the first of them ends, in seconds since the Unix epoch; 0: there is none',
        ),
      );
      const late = new Gauge(
        config(
          'credentials_not_renewed',
          'Connected proxies whose own credential has under a quarter of its life left',
          ['credential'],
        ),
      );
      const ready = new Gauge(config('ready', '1 after the first sync'));
      refresh = () => {
        const now = of.status();
        fillLoad(of.load());
        const issued = of.certificates();
        certificates.set(issued.length);
        const first = issued.reduce((least, { notAfterMs }) => Math.min(least, notAfterMs), Number.POSITIVE_INFINITY);
        expiry.set(issued.length === 0 ? 0 : first / 1000);
        ready.set(now.ready ? 1 : 0);
        revision.set(now.revision);
        services.set(now.services.length);
        held.set(now.held.length);
        for (const state of ['synced', 'pending', 'rejecting', 'offline'])
          proxies.set({ state }, now.proxies.filter((proxy) => proxy.state === state).length);
        // Of other kinds nothing is told: they are renewed by others.
        for (const credential of ['token', 'certificate'])
          late.set(
            { credential },
            now.proxies.filter((proxy) => proxy.credentialEndsMs !== undefined && proxy.credential?.kind === credential)
              .length,
          );
        for (const severity of ['error', 'warning'])
          problems.set({ severity }, now.problems.filter((problem) => problem.severity === severity).length);
        for (const health of ['healthy', 'warning', 'critical'] as const)
          endpoints.set(
            { health },
            now.services.reduce((sum, service) => sum + service[health], 0),
          );
        up.reset();
        for (const source of now.sources)
          up.set({ registry: source.name }, source.complete && source.degraded === undefined ? 1 : 0);
      };
    },
    async expose() {
      refresh();
      return { contentType: registry.contentType, body: await registry.metrics() };
    },
  };
}

/**
 * prom-client hashes labels on each call, and every push makes four. Label values are few, so the children are kept: found by
 * the very object where the caller keeps its labels, else by what is in it.
 */
function createChildren<Child>(make: (labels: Labels) => Child): (labels: Labels) => Child {
  const kept = new WeakMap<Labels, Child>();
  const children = new Map<string, Child>();
  return (labels) => {
    const known = kept.get(labels);
    if (known !== undefined) return known;
    const key = JSON.stringify(labels);
    const child = children.get(key) ?? make(labels);
    children.set(key, child);
    kept.set(labels, child);
    return child;
  };
}

type MakeConfig = (
  name: string,
  help: string,
  labels?: readonly string[],
) => { name: string; help: string; labelNames: string[]; registers: Registry[] };

/**
 * Filled anew at every scrape, so that a cluster that went takes its series with it: the labels are the clusters there are.
 */
function createLoadMetrics(config: MakeConfig): (load: readonly ClusterLoadStatus[]) => void {
  const requests = new Counter(config('load_requests_total', 'Requests that proxies report, by cluster', ['cluster']));
  const failures = new Counter(config('load_failures_total', 'Failed requests that proxies report', ['cluster']));
  const drops = new Counter(config('load_dropped_total', 'Requests that proxies report as dropped', ['cluster']));
  const active = new Gauge(config('load_active_requests', 'Requests in progress when proxies reported', ['cluster']));
  return (load) => {
    for (const metric of [requests, failures, drops, active]) metric.reset();
    for (const { cluster, total, active: now } of load) {
      requests.inc({ cluster }, total.requests);
      failures.inc({ cluster }, total.failed);
      drops.inc({ cluster }, total.dropped);
      active.set({ cluster }, now);
    }
  };
}
