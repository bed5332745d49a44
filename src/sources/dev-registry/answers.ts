// Records as Consul's HTTP API writes them. Pure; it must not know requests.
import type { Catalog } from './catalog.ts';
import type { Kv, KvEntry } from './kv.ts';
import type { CheckRecord, Indexed, ServiceRecord } from './records.ts';

export interface NodeRecord {
  readonly Node: string;
  readonly Address: string;
  readonly Datacenter: string;
}

function checkJson(node: NodeRecord, { value, created, modified }: Indexed<CheckRecord>): object {
  const { CheckID, Name, Status, Notes, Output, ServiceID, ServiceName, Type } = value;
  const indexes = { CreateIndex: created, ModifyIndex: modified };
  return { Node: node.Node, CheckID, Name, Status, Notes, Output, ServiceID, ServiceName, Type, ...indexes };
}

function serviceJson({ value, created, modified }: Indexed<ServiceRecord>): object {
  return { ...value, CreateIndex: created, ModifyIndex: modified };
}

/** Rows of /v1/health/service/NAME, oldest registration first. */
export function healthRows(catalog: Catalog, node: NodeRecord, name: string): readonly object[] {
  const checks = catalog.checks();
  return catalog
    .services()
    .filter(({ value }) => value.Service === name)
    .map((service) => ({
      Node: { ...node, Meta: null, TaggedAddresses: { lan: node.Address, wan: node.Address } },
      Service: serviceJson(service),
      Checks: checks
        .filter(({ value }) => value.ServiceID === '' || value.ServiceID === service.value.ID)
        .map((check) => checkJson(node, check)),
    }));
}

/** /v1/catalog/services: names with the union of their tags. */
export function serviceNames(catalog: Catalog): Readonly<Record<string, readonly string[]>> {
  const names = new Map<string, Set<string>>();
  for (const { value } of catalog.services()) {
    const tags = names.get(value.Service) ?? new Set<string>();
    for (const tag of value.Tags) tags.add(tag);
    names.set(value.Service, tags);
  }
  return Object.fromEntries([...names].map(([name, tags]) => [name, [...tags].sort()]));
}

export function agentServices(catalog: Catalog): object {
  return Object.fromEntries(catalog.services().map((service) => [service.value.ID, serviceJson(service)]));
}

export function agentChecks(catalog: Catalog, node: NodeRecord): object {
  return Object.fromEntries(catalog.checks().map((check) => [check.value.CheckID, checkJson(node, check)]));
}

export function kvRows(entries: readonly KvEntry[]): readonly object[] {
  return entries.map(({ key, value, created, modified }) => ({
    LockIndex: 0,
    Key: key,
    Flags: 0,
    Value: value.length === 0 ? null : value.toString('base64'),
    CreateIndex: created,
    ModifyIndex: modified,
  }));
}

/** What /v1/kv/KEY answers with, or undefined for 404. */
export function kvFound(kv: Kv, key: string, recurse: boolean): readonly KvEntry[] | undefined {
  const one = kv.get(key);
  const found = recurse ? kv.list(key) : one === undefined ? [] : [one];
  return found.length === 0 ? undefined : found;
}
