// Bodies of /v1/agent/service/register and check/register into records, with Consul's defaults and refusals.
// Pure. Member names are taken in any case and with underscores, as Consul's agent takes them.
// Checks that Consul would run itself (HTTP, TCP, script ...) are refused: this registry runs nothing.
import type { CheckRecord, CheckStatus, ProxyRecord, ServiceRecord, Upstream } from './records.ts';
import { RefusedError } from './records.ts';

export interface Registration {
  readonly service: ServiceRecord;
  readonly checks: readonly CheckRecord[];
}

type Body = ReadonlyMap<string, unknown>;

const runByConsul = ['http', 'tcp', 'udp', 'grpc', 'args', 'script', 'h2ping', 'osservice', 'dockercontainerid'];

function bodyOf(value: unknown, what: string): Body {
  if (value === undefined || value === null) return new Map();
  if (typeof value !== 'object' || Array.isArray(value)) throw new RefusedError(400, `${what} must be an object`);
  return new Map(Object.entries(value).map(([key, member]) => [key.replaceAll('_', '').toLowerCase(), member]));
}

function text(body: Body, name: string): string {
  const value = body.get(name) ?? '';
  if (typeof value !== 'string') throw new RefusedError(400, `${name} must be a string`);
  return value;
}

function whole(body: Body, name: string, absent: number): number {
  const value = body.get(name) ?? absent;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 65535)
    throw new RefusedError(400, `${name} must be a whole number between 0 and 65535`);
  return value;
}

function list(body: Body, name: string): readonly unknown[] {
  const value = body.get(name) ?? [];
  if (!Array.isArray(value)) throw new RefusedError(400, `${name} must be a list`);
  return value;
}

/** Consul's durations: `10s`, `1m30s`, `500ms`. Undefined for the empty string. */
export function durationMs(value: string): number | undefined {
  if (value === '') return undefined;
  const units: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, us: 1e-3, ns: 1e-6 };
  const parts = [...value.matchAll(/(\d+(?:\.\d+)?)(ms|us|ns|h|m|s)/g)];
  if (parts.length === 0 || parts.map(([whole]) => whole).join('') !== value)
    throw new RefusedError(400, `"${value}" is not a duration`);
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * (units[unit ?? ''] ?? 0), 0);
}

export function statusOf(value: string, absent: CheckStatus): CheckStatus {
  if (value === '') return absent;
  if (value !== 'passing' && value !== 'warning' && value !== 'critical')
    throw new RefusedError(400, `"${value}" is not a check status: passing, warning or critical`);
  return value;
}

/** One or two registrations: the service, and the sidecar that `Connect.SidecarService` asks for. `portOf` gives the port of a sidecar id that names none. */
export function readRegistration(json: unknown, portOf: (sidecarId: string) => number): readonly Registration[] {
  const body = bodyOf(json, 'the registration');
  const service = readService(body, {});
  const connect = bodyOf(body.get('connect'), 'Connect');
  const wanted = connect.get('sidecarservice');
  const own: Registration = { service, checks: readChecks(body, service) };
  if (wanted === undefined || wanted === null) return [own];
  const sidecar = bodyOf(wanted, 'Connect.SidecarService');
  const proxy = readProxy(sidecar, {
    DestinationServiceName: service.Service,
    DestinationServiceID: service.ID,
    LocalServiceAddress: '127.0.0.1',
    LocalServicePort: service.Port,
    Upstreams: [],
  });
  const record = readService(sidecar, {
    Kind: 'connect-proxy',
    ID: `${service.ID}-sidecar-proxy`,
    Service: `${service.Service}-sidecar-proxy`,
    Address: service.Address,
    Tags: service.Tags,
    Meta: service.Meta,
    Proxy: proxy,
  });
  const complete = record.Port === 0 ? { ...record, Port: portOf(record.ID) } : record;
  const given = readChecks(sidecar, complete);
  return [own, { service: complete, checks: given.length > 0 ? given : [aliasCheck(complete, service.ID)] }];
}

function readService(body: Body, defaults: Partial<ServiceRecord>): ServiceRecord {
  const name = text(body, 'name') || (defaults.Service ?? '');
  if (name === '') throw new RefusedError(400, 'Missing service name');
  const kind = text(body, 'kind') || (defaults.Kind ?? '');
  if (kind !== '' && kind !== 'connect-proxy') throw new RefusedError(400, `Kind "${kind}" is not served here`);
  const weights = bodyOf(body.get('weights'), 'Weights');
  const proxy = kind === 'connect-proxy' ? (defaults.Proxy ?? readProxy(body, undefined)) : undefined;
  const tags = list(body, 'tags').filter((tag) => typeof tag === 'string');
  return {
    Kind: kind,
    ID: text(body, 'id') || (defaults.ID ?? name),
    Service: name,
    Tags: tags.length > 0 ? tags : (defaults.Tags ?? []),
    Meta: body.has('meta') ? readMeta(body.get('meta')) : (defaults.Meta ?? {}),
    Address: text(body, 'address') || (defaults.Address ?? ''),
    Port: whole(body, 'port', 0),
    Weights: { Passing: whole(weights, 'passing', 1), Warning: whole(weights, 'warning', 1) },
    ...(proxy === undefined ? {} : { Proxy: proxy }),
  };
}

function readMeta(value: unknown): Readonly<Record<string, string>> {
  if (value === null || value === undefined) return {};
  const entries = typeof value === 'object' ? Object.entries(value) : [];
  if (typeof value !== 'object' || entries.some(([, member]) => typeof member !== 'string'))
    throw new RefusedError(400, 'Meta must hold strings only');
  return Object.fromEntries(entries);
}

function readProxy(body: Body, defaults: ProxyRecord | undefined): ProxyRecord {
  const proxy = bodyOf(body.get('proxy'), 'Proxy');
  const destination = text(proxy, 'destinationservicename') || (defaults?.DestinationServiceName ?? '');
  if (destination === '')
    throw new RefusedError(400, 'Proxy.DestinationServiceName must be non-empty for Connect proxy services');
  return {
    DestinationServiceName: destination,
    DestinationServiceID: text(proxy, 'destinationserviceid') || (defaults?.DestinationServiceID ?? ''),
    LocalServiceAddress: text(proxy, 'localserviceaddress') || '127.0.0.1',
    LocalServicePort: whole(proxy, 'localserviceport', defaults?.LocalServicePort ?? 0),
    Upstreams: list(proxy, 'upstreams').map((entry): Upstream => {
      const upstream = bodyOf(entry, 'an upstream');
      return {
        DestinationType: text(upstream, 'destinationtype') || 'service',
        DestinationName: text(upstream, 'destinationname'),
        LocalBindAddress: text(upstream, 'localbindaddress'),
        LocalBindPort: whole(upstream, 'localbindport', 0),
      };
    }),
  };
}

function readChecks(body: Body, service: ServiceRecord): readonly CheckRecord[] {
  const one = body.get('check');
  const all = [...(one === undefined || one === null ? [] : [one]), ...list(body, 'checks')];
  return all.map((check, i) => {
    const fallback = `service:${service.ID}${all.length > 1 ? `:${i + 1}` : ''}`;
    return readCheck(check, { id: fallback, name: `Service '${service.Service}' check`, service });
  });
}

/** `service` is the one the check belongs to; absent: the node. */
export function readCheck(
  json: unknown,
  defaults: { readonly id: string; readonly name: string; readonly service?: ServiceRecord },
): CheckRecord {
  const body = bodyOf(json, 'Check');
  const run = runByConsul.find((name) => body.has(name));
  if (run !== undefined) throw new RefusedError(400, `a check with "${run}" is not run here: use TTL or AliasService`);
  const ttlMs = durationMs(text(body, 'ttl'));
  const alias = text(body, 'aliasservice');
  if (ttlMs === undefined && alias === '') throw new RefusedError(400, 'a check needs TTL or AliasService');
  const deregisterAfterMs = durationMs(text(body, 'deregistercriticalserviceafter'));
  return {
    CheckID: text(body, 'checkid') || text(body, 'id') || defaults.id,
    Name: text(body, 'name') || defaults.name,
    Status: statusOf(text(body, 'status'), 'critical'),
    Output: '',
    Notes: text(body, 'notes'),
    ServiceID: defaults.service?.ID ?? '',
    ServiceName: defaults.service?.Service ?? '',
    Type: ttlMs === undefined ? 'alias' : 'ttl',
    ...(ttlMs === undefined ? { alias } : { ttlMs }),
    ...(deregisterAfterMs === undefined ? {} : { deregisterAfterMs }),
  };
}

function aliasCheck(sidecar: ServiceRecord, alias: string): CheckRecord {
  return {
    CheckID: `service:${sidecar.ID}`,
    Name: `Connect Sidecar Aliasing ${alias}`,
    Status: 'critical',
    Output: '',
    Notes: '',
    ServiceID: sidecar.ID,
    ServiceName: sidecar.Service,
    Type: 'alias',
    alias,
  };
}
