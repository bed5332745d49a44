// The four ways instances lie in etcd: what one key and its value say. Pure. The forms are in docs/registries.md.
// It must not do I/O. Invariant: total; a value that cannot be read is a fault in words, never a throw.
import type { Instance } from '../../model/instance.ts';
import { instanceOfRecord, instanceRecordSchema, recordFaults } from '../../model/instance-record.ts';
import { type HostPort, hostPort } from '../../util/host-port.ts';

export type EtcdLayout = 'chancery' | 'naming' | 'registrator' | 'go-micro';

export interface KeyText {
  /** Name of the source; front of the instances' keys. */
  readonly source: string;
  /** The prefix watched. */
  readonly prefix: string;
  /** Below the prefix. */
  readonly key: string;
  readonly value: string;
}

/** `kind: 'other'`: the key is no instance in this layout. `none`: it says by itself that there is none. */
export type KeyMeaning =
  | { readonly kind: 'instances'; readonly service: string; readonly instances: readonly Instance[] }
  | { readonly kind: 'fault'; readonly service: string; readonly reason: string }
  | { readonly kind: 'none' }
  | { readonly kind: 'other' };

const readers: Readonly<Record<EtcdLayout, (text: KeyText) => KeyMeaning>> = {
  chancery: readOwn,
  naming: readNaming,
  registrator: readRegistrator,
  'go-micro': readGoMicro,
};

export function readKey(layout: EtcdLayout, text: KeyText): KeyMeaning {
  return readers[layout](text);
}

/** `[v1/services/]SERVICE/instances/ID`, a record as in instance lists. */
function readOwn({ source, key, value }: KeyText): KeyMeaning {
  const [, service, id] = /^(?:v1\/services\/)?([^/]+)\/instances\/(.+)$/.exec(key) ?? [];
  if (service === undefined || id === undefined) return { kind: 'other' };
  const json = parseJson(value);
  if (json === undefined) return { kind: 'fault', service, reason: 'it is not JSON' };
  const record = instanceRecordSchema.safeParse(json.value);
  if (!record.success)
    return {
      kind: 'fault',
      service,
      reason: recordFaults(record.error)
        .map(({ message }) => message)
        .join('; '),
    };
  if (record.data.id !== undefined && record.data.id !== id)
    return { kind: 'fault', service, reason: `its id "${record.data.id}" is not the last part of the key` };
  return { kind: 'instances', service, instances: [instanceOfRecord({ ...record.data, id }, `${source}/${service}`)] };
}

/** etcd's own naming package: `TARGET/ANY` holding `{"Op":0,"Addr":"HOST:PORT","Metadata":...}`. */
function readNaming({ source, prefix, key, value }: KeyText): KeyMeaning {
  const { service, id } = serviceAndId(prefix, key);
  if (service === '' || id === '') return { kind: 'other' };
  const json = members(value);
  if (json === undefined) return { kind: 'fault', service, reason: 'it is not a JSON object' };
  if (json['Op'] === 1) return { kind: 'none' };
  const place = placeOf(json['Addr']);
  if (place === undefined) return { kind: 'fault', service, reason: '"Addr" is no HOST:PORT' };
  const instance = plainInstance(`${source}/${service}`, id, { ...place, metadata: labels(json['Metadata']) });
  return { kind: 'instances', service, instances: [instance] };
}

/** `SERVICE/HOST:CONTAINER:PORT[:udp]` holding `HOST:PORT`. */
function readRegistrator({ source, prefix, key, value }: KeyText): KeyMeaning {
  const { service, id } = serviceAndId(prefix, key);
  if (service === '' || id === '') return { kind: 'other' };
  // Registrator marks UDP ports this way; they are no place for HTTP or TCP.
  if (id.endsWith(':udp')) return { kind: 'none' };
  const place = placeOf(value.trim());
  if (place === undefined) return { kind: 'fault', service, reason: 'it is no HOST:PORT' };
  const instance = plainInstance(`${source}/${service}`, id, { ...place, metadata: {} });
  return { kind: 'instances', service, instances: [instance] };
}

/** `SERVICE/NODE` holding `{"name","version","metadata","nodes":[{"id","address","metadata"}]}`. */
function readGoMicro({ source, prefix, key, value }: KeyText): KeyMeaning {
  const named = serviceAndId(prefix, key);
  if (named.service === '' || named.id === '') return { kind: 'other' };
  const json = members(value);
  if (json === undefined) return { kind: 'fault', service: named.service, reason: 'it is not a JSON object' };
  const service = typeof json['name'] === 'string' && json['name'] !== '' ? json['name'] : named.service;
  const nodes = json['nodes'];
  if (!Array.isArray(nodes)) return { kind: 'fault', service, reason: '"nodes" is no list' };
  const version = typeof json['version'] === 'string' ? { version: json['version'] } : {};
  const instances: Instance[] = [];
  for (const [index, node] of nodes.entries()) {
    const entry: Record<string, unknown> = isObject(node) ? node : {};
    const place = placeOf(entry['address'], entry['port']);
    if (place === undefined) return { kind: 'fault', service, reason: `"nodes[${index}].address" is no HOST:PORT` };
    const id = typeof entry['id'] === 'string' && entry['id'] !== '' ? entry['id'] : `${named.id}/${index}`;
    const metadata = { ...version, ...labels(json['metadata']), ...labels(entry['metadata']) };
    instances.push(plainInstance(`${source}/${service}`, id, { ...place, metadata }));
  }
  return instances.length === 0 ? { kind: 'none' } : { kind: 'instances', service, instances };
}

function plainInstance(
  place: string,
  id: string,
  { address, port, metadata }: { address: string; port: number; metadata: Readonly<Record<string, string>> },
): Instance {
  return { key: `${place}/${id}`, id, address, port, health: 'healthy', weight: 1, metadata, tags: [] };
}

/** The parts before and after the last slash; a prefix that is itself a service lends its last part. */
function serviceAndId(prefix: string, key: string): { readonly service: string; readonly id: string } {
  const slash = key.lastIndexOf('/');
  if (slash >= 0) return { service: key.slice(0, slash).replace(/^\/+/, ''), id: key.slice(slash + 1) };
  return { service: prefix.split('/').findLast((part) => part !== '') ?? '', id: key };
}

/** Also `scheme://HOST:PORT/`, and a host alone when `port` is given beside it. */
function placeOf(text: unknown, port?: unknown): HostPort | undefined {
  if (typeof text !== 'string') return undefined;
  const bare = text.replace(/^[a-z][a-z0-9+.-]*:\/\//i, '').replace(/\/$/, '');
  return hostPort(bare) ?? (typeof port === 'number' ? hostPort(`${bare}:${port}`) : undefined);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseJson(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

function members(text: string): Record<string, unknown> | undefined {
  const value = parseJson(text)?.value;
  return isObject(value) ? value : undefined;
}

/** String, number and boolean members as text; anything deeper is no label. */
function labels(value: unknown): Record<string, string> {
  if (!isObject(value)) return {};
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => ['string', 'number', 'boolean'].includes(typeof member))
      .map(([name, member]) => [name, String(member)]),
  );
}
