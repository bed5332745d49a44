// Time for the checks: a TTL check that is told nothing turns critical; one that stays critical long enough takes its
// service away if it was registered so. It must not know HTTP.
// Invariant: a timer exists only while `start` is on, and only for checks that are there.
import type { Clock, Timer } from '../../util/clock.ts';
import type { Catalog } from './catalog.ts';

export interface CheckTimers {
  /** TTL checks begin critical, as in an agent that just started and was told nothing yet. */
  start(): void;
  stop(): void;
  /** The check was told something: its time begins anew. */
  told(checkId: string): void;
}

export function createCheckTimers(clock: Clock, catalog: Catalog): CheckTimers {
  const ttl = new Map<string, Timer>();
  const reapers = new Map<string, Timer>();
  let stopWatching: (() => void) | undefined;

  function told(id: string): void {
    ttl.get(id)?.cancel();
    ttl.delete(id);
    const check = catalog.check(id);
    if (check?.ttlMs === undefined || stopWatching === undefined) return;
    const timer = clock.after(check.ttlMs, () => {
      ttl.delete(id);
      if (catalog.check(id) !== undefined) catalog.setStatus(id, 'critical', 'TTL expired');
    });
    ttl.set(id, timer);
  }

  /** After every change: no timers for what is gone, and a reaper for what is critical. */
  function follow(): void {
    for (const id of [...ttl.keys()]) {
      if (catalog.check(id) !== undefined) continue;
      ttl.get(id)?.cancel();
      ttl.delete(id);
    }
    for (const [id, timer] of [...reapers]) {
      if (catalog.check(id)?.Status === 'critical') continue;
      timer.cancel();
      reapers.delete(id);
    }
    for (const { value } of catalog.checks()) {
      const { CheckID: id, ServiceID: service, deregisterAfterMs } = value;
      if (value.ttlMs !== undefined && value.Status !== 'critical' && !ttl.has(id)) told(id);
      if (deregisterAfterMs === undefined || value.Status !== 'critical' || reapers.has(id)) continue;
      const timer = clock.after(deregisterAfterMs, () => {
        reapers.delete(id);
        if (catalog.service(service) !== undefined) catalog.removeService(service);
      });
      reapers.set(id, timer);
    }
  }

  return {
    start() {
      stopWatching = catalog.onChange(follow);
      for (const { value } of catalog.checks()) {
        if (value.ttlMs !== undefined) catalog.setStatus(value.CheckID, 'critical', '');
      }
      follow();
    },
    stop() {
      stopWatching?.();
      stopWatching = undefined;
      for (const timer of [...ttl.values(), ...reapers.values()]) timer.cancel();
      ttl.clear();
      reapers.clear();
    },
    told,
  };
}
