// Services and checks of one node with Consul's index rules: every real change takes the next index, an equal one takes
// none; a service has an index of its own; what does not exist answers with the index of all services.
// It must not know HTTP or time. Invariant: `index` never goes down while the process runs.
import { isDeepStrictEqual } from 'node:util';
import type { CheckRecord, CheckStatus, Indexed, ServiceRecord } from './records.ts';
import { RefusedError } from './records.ts';

export interface Catalog {
  index(): number;
  /** Takes the next index; for what else lives beside services (KV). */
  nextIndex(): number;
  /** Adds or replaces a service; its checks are those given, keeping the status of a check that is there already. */
  putService(service: ServiceRecord, checks: readonly CheckRecord[]): void;
  /** Also removes its checks and the sidecar that was registered with it. */
  removeService(id: string): void;
  putCheck(check: CheckRecord): void;
  removeCheck(id: string): void;
  setStatus(id: string, status: CheckStatus, output: string): void;
  service(id: string): Indexed<ServiceRecord> | undefined;
  services(): readonly Indexed<ServiceRecord>[];
  check(id: string): CheckRecord | undefined;
  checks(): readonly Indexed<CheckRecord>[];
  /** Index of the list of services. */
  listIndex(): number;
  /** Index of one name, as /v1/health/service has it. */
  nameIndex(name: string): number;
  /** Calls `listener` after every change; returns the way to stop. */
  onChange(listener: () => void): () => void;
}

const rank: Readonly<Record<CheckStatus, number>> = { passing: 0, warning: 1, critical: 2 };

export function createCatalog(firstIndex = 1): Catalog {
  const services = new Map<string, Indexed<ServiceRecord>>();
  const checks = new Map<string, Indexed<CheckRecord>>();
  const names = new Map<string, number>();
  const listeners = new Set<() => void>();
  let index = firstIndex;
  let listIndex = firstIndex;

  function changed(): void {
    for (const listener of [...listeners]) listener();
  }
  function touch(name: string): number {
    index++;
    // A check of the node is part of the health of every service on it.
    if (name === '') for (const known of names.keys()) names.set(known, index);
    else names.set(name, index);
    return index;
  }
  function storeCheck(check: CheckRecord): boolean {
    const old = checks.get(check.CheckID);
    if (old !== undefined && isDeepStrictEqual(old.value, check)) return false;
    const at = touch(check.ServiceName);
    checks.set(check.CheckID, { value: check, created: old?.created ?? at, modified: at });
    return true;
  }
  /** Alias checks follow what they stand for. */
  function followAliases(): void {
    for (const { value } of [...checks.values()]) {
      if (value.alias === undefined) continue;
      const status = aliased(value.alias);
      storeCheck({
        ...value,
        Status: status,
        Output: status === 'passing' ? 'All checks passing.' : `"${value.alias}" is ${status}`,
      });
    }
  }
  function aliased(id: string): CheckStatus {
    if (!services.has(id)) return 'critical';
    let status: CheckStatus = 'passing';
    for (const { value } of checks.values()) {
      const counts = value.ServiceID === id || value.ServiceID === '';
      if (counts && rank[value.Status] > rank[status]) status = value.Status;
    }
    return status;
  }
  function dropService(id: string): void {
    const service = services.get(id);
    if (service === undefined) return;
    services.delete(id);
    for (const { value } of [...checks.values()]) if (value.ServiceID === id) checks.delete(value.CheckID);
    listIndex = touch(service.value.Service);
  }
  const known = (id: string): Indexed<CheckRecord> => {
    const check = checks.get(id);
    if (check === undefined) throw new RefusedError(404, `Unknown check ID "${id}"`);
    return check;
  };

  return {
    index: () => index,
    nextIndex: () => ++index,
    putService(service, given) {
      const old = services.get(service.ID);
      if (old === undefined || !isDeepStrictEqual(old.value, service)) {
        // A service that changes its name is gone under the old one.
        if (old !== undefined && old.value.Service !== service.Service) touch(old.value.Service);
        listIndex = touch(service.Service);
        services.set(service.ID, { value: service, created: old?.created ?? index, modified: index });
      }
      const kept = new Set(given.map(({ CheckID }) => CheckID));
      for (const { value } of [...checks.values()]) {
        if (value.ServiceID !== service.ID || value.Type === 'maintenance' || kept.has(value.CheckID)) continue;
        checks.delete(value.CheckID);
        touch(service.Service);
      }
      for (const check of given) {
        const before = checks.get(check.CheckID)?.value;
        storeCheck(before === undefined ? check : { ...check, Status: before.Status, Output: before.Output });
      }
      followAliases();
      changed();
    },
    removeService(id) {
      if (!services.has(id)) throw new RefusedError(404, `Unknown service ID "${id}"`);
      dropService(id);
      dropService(`${id}-sidecar-proxy`);
      followAliases();
      changed();
    },
    putCheck(check) {
      storeCheck(check);
      followAliases();
      changed();
    },
    removeCheck(id) {
      const { value } = known(id);
      checks.delete(id);
      touch(value.ServiceName);
      followAliases();
      changed();
    },
    setStatus(id, status, output) {
      storeCheck({ ...known(id).value, Status: status, Output: output });
      followAliases();
      changed();
    },
    service: (id) => services.get(id),
    services: () => [...services.values()],
    check: (id) => checks.get(id)?.value,
    checks: () => [...checks.values()],
    listIndex: () => listIndex,
    nameIndex(name) {
      const exists = [...services.values()].some(({ value }) => value.Service === name);
      return exists ? (names.get(name) ?? listIndex) : listIndex;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
