// The paths of Consul's HTTP API that registration and discovery need, over the dev registry's state.
// It must not know sockets: a request comes in as data, an answer goes out as data.
// What Consul has and this has not is answered with 404 and says so.
import type { Clock } from '../../util/clock.ts';
import type { Random } from '../../util/random.ts';
import { agentChecks, agentServices, healthRows, kvFound, kvRows, type NodeRecord, serviceNames } from './answers.ts';
import { blockUntil, readWait } from './blocking.ts';
import type { Catalog } from './catalog.ts';
import type { CheckTimers } from './check-timers.ts';
import type { Kv } from './kv.ts';
import { type CheckStatus, RefusedError } from './records.ts';
import { readCheck, readRegistration, statusOf } from './registration.ts';

export interface DevState {
  readonly clock: Clock;
  readonly random: Random;
  readonly catalog: Catalog;
  readonly kv: Kv;
  readonly timers: CheckTimers;
  readonly node: NodeRecord;
}

export interface DevRequest {
  readonly method: string;
  /** Decoded, without `/v1/`. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: Buffer;
  /** Aborts when the caller is gone or the registry ends. */
  readonly signal: AbortSignal;
}

export interface DevAnswer {
  readonly status: number;
  /** X-Consul-Index; absent for what cannot be waited on. */
  readonly index?: number;
  /** A Buffer goes out as it is, anything else as JSON. */
  readonly body: unknown;
}

type Handler = (state: DevState, request: DevRequest, rest: string) => DevAnswer | Promise<DevAnswer>;

/** Ports Consul gives to sidecars that name none. */
const sidecarPorts = { first: 21_000, last: 21_255 };

const told: Readonly<Record<string, CheckStatus>> = { pass: 'passing', warn: 'warning', fail: 'critical' };

/** `METHOD path`; a path that ends in `/` takes the rest of the request's path. Longest first. */
const handlers: Readonly<Record<string, Handler>> = {
  'PUT agent/service/register': register,
  'PUT agent/service/deregister/': deregister,
  'PUT agent/service/maintenance/': serviceMaintenance,
  'PUT agent/maintenance': nodeMaintenance,
  'PUT agent/check/register': registerCheck,
  'PUT agent/check/deregister/': removeCheck,
  'PUT agent/check/pass/': (state, request, id) => tell(state, id, { status: 'pass', note: note(request) }),
  'PUT agent/check/warn/': (state, request, id) => tell(state, id, { status: 'warn', note: note(request) }),
  'PUT agent/check/fail/': (state, request, id) => tell(state, id, { status: 'fail', note: note(request) }),
  'PUT agent/check/update/': updateCheck,
  'GET agent/services': (state) => ({ status: 200, body: agentServices(state.catalog) }),
  'GET agent/checks': (state) => ({ status: 200, body: agentChecks(state.catalog, state.node) }),
  'GET catalog/services': listServices,
  'GET catalog/nodes': (state) => ({ status: 200, index: 1, body: [state.node] }),
  'GET health/service/': health,
  'GET status/leader': (state) => ({ status: 200, body: `${state.node.Address}:8300` }),
  'GET kv/': getKey,
  'PUT kv/': (state, request, key) => ({ status: 200, body: state.kv.put(key, request.body, cas(request)) }),
  'DELETE kv/': deleteKey,
};

/** Throws RefusedError for what the caller did wrong. */
export async function answer(state: DevState, request: DevRequest): Promise<DevAnswer> {
  for (const [route, handler] of Object.entries(handlers)) {
    const [method, path = ''] = route.split(' ');
    if (method !== request.method) continue;
    if (path.endsWith('/') ? request.path.startsWith(path) : request.path === path)
      return handler(state, request, request.path.slice(path.length));
  }
  throw new RefusedError(404, `the dev registry does not serve ${request.method} /v1/${request.path}`);
}

const done: DevAnswer = { status: 200, body: Buffer.alloc(0) };

function json(request: DevRequest): unknown {
  try {
    return JSON.parse(request.body.toString('utf8'));
  } catch (error) {
    throw new RefusedError(400, `Request decode failed: ${error instanceof Error ? error.message : 'not JSON'}`);
  }
}
function note(request: DevRequest): string {
  return request.query.get('note') ?? '';
}
function cas(request: DevRequest): number | undefined {
  const value = request.query.get('cas');
  return value === null ? undefined : Number(value);
}

function register(state: DevState, request: DevRequest): DevAnswer {
  const { catalog } = state;
  /** A sidecar registered again without a port keeps the one it was given. */
  const portOf = (sidecarId: string): number => {
    const before = catalog.service(sidecarId)?.value;
    if (before?.Kind === 'connect-proxy') return before.Port;
    const used = new Set(catalog.services().map(({ value }) => value.Port));
    for (let port = sidecarPorts.first; port <= sidecarPorts.last; port++) if (!used.has(port)) return port;
    throw new RefusedError(500, 'no port is left for sidecars');
  };
  for (const { service, checks } of readRegistration(json(request), portOf)) catalog.putService(service, checks);
  return done;
}

function deregister(state: DevState, _request: DevRequest, id: string): DevAnswer {
  state.catalog.removeService(id);
  return done;
}

function serviceMaintenance(state: DevState, request: DevRequest, id: string): DevAnswer {
  const service = state.catalog.service(id)?.value;
  if (service === undefined) throw new RefusedError(404, `Unknown service ID "${id}"`);
  return maintenance(state, request, { check: `_service_maintenance:${id}`, id, name: service.Service });
}

function nodeMaintenance(state: DevState, request: DevRequest): DevAnswer {
  return maintenance(state, request, { check: '_node_maintenance', id: '', name: '' });
}

function maintenance(
  state: DevState,
  request: DevRequest,
  of: { readonly check: string; readonly id: string; readonly name: string },
): DevAnswer {
  const enable = request.query.get('enable');
  if (enable !== 'true' && enable !== 'false') throw new RefusedError(400, 'Missing value for enable: true or false');
  if (enable === 'false') {
    if (state.catalog.check(of.check) !== undefined) state.catalog.removeCheck(of.check);
    return done;
  }
  state.catalog.putCheck({
    CheckID: of.check,
    Name: of.id === '' ? 'Node Maintenance Mode' : 'Service Maintenance Mode',
    Status: 'critical',
    Output: '',
    Notes: request.query.get('reason') ?? 'Maintenance mode is enabled.',
    ServiceID: of.id,
    ServiceName: of.name,
    Type: 'maintenance',
  });
  return done;
}

function registerCheck(state: DevState, request: DevRequest): DevAnswer {
  const body = json(request);
  const members = typeof body === 'object' && body !== null ? Object.entries(body) : [];
  const find = (name: string): string =>
    String(members.find(([key]) => key.replaceAll('_', '').toLowerCase() === name)?.[1] ?? '');
  const id = find('serviceid');
  const service = id === '' ? undefined : state.catalog.service(id)?.value;
  if (id !== '' && service === undefined) throw new RefusedError(400, `Invalid service ID "${id}"`);
  const name = find('name');
  if (name === '') throw new RefusedError(400, 'Missing check name');
  state.catalog.putCheck(readCheck(body, { id: name, name, ...(service === undefined ? {} : { service }) }));
  return done;
}

function removeCheck(state: DevState, _request: DevRequest, id: string): DevAnswer {
  state.catalog.removeCheck(id);
  return done;
}

function tell(state: DevState, id: string, what: { readonly status: string; readonly note: string }): DevAnswer {
  return setTtl(state, id, { status: told[what.status] ?? 'critical', output: what.note });
}

function updateCheck(state: DevState, request: DevRequest, id: string): DevAnswer {
  const body = json(request);
  const member = (name: string): string => {
    const value = typeof body === 'object' && body !== null ? (body as Record<string, unknown>)[name] : undefined;
    return typeof value === 'string' ? value : '';
  };
  return setTtl(state, id, { status: statusOf(member('Status'), 'passing'), output: member('Output') });
}

function setTtl(state: DevState, id: string, to: { readonly status: CheckStatus; readonly output: string }): DevAnswer {
  const check = state.catalog.check(id);
  if (check === undefined) throw new RefusedError(404, `Unknown check ID "${id}"`);
  if (check.ttlMs === undefined) throw new RefusedError(400, `check "${id}" is not a TTL check`);
  state.catalog.setStatus(id, to.status, to.output);
  state.timers.told(id);
  return done;
}

async function listServices(state: DevState, request: DevRequest): Promise<DevAnswer> {
  const { catalog } = state;
  await wait(state, request, catalog.listIndex);
  return { status: 200, index: catalog.listIndex(), body: serviceNames(catalog) };
}

async function health(state: DevState, request: DevRequest, name: string): Promise<DevAnswer> {
  const { catalog, node } = state;
  const index = (): number => catalog.nameIndex(name);
  await wait(state, request, index);
  return { status: 200, index: index(), body: healthRows(catalog, node, name) };
}

async function getKey(state: DevState, request: DevRequest, key: string): Promise<DevAnswer> {
  const recurse = request.query.has('recurse') || request.query.has('keys');
  const index = (): number => state.kv.indexOf(key, recurse);
  await wait(state, request, index);
  const found = kvFound(state.kv, key, recurse);
  if (found === undefined) return { status: 404, index: index(), body: Buffer.alloc(0) };
  if (request.query.has('keys')) return { status: 200, index: index(), body: found.map((entry) => entry.key) };
  if (request.query.has('raw')) return { status: 200, index: index(), body: found[0]?.value };
  return { status: 200, index: index(), body: kvRows(found) };
}

function deleteKey(state: DevState, request: DevRequest, key: string): DevAnswer {
  const named = cas(request);
  const recurse = request.query.has('recurse');
  return { status: 200, body: state.kv.remove(key, { recurse, ...(named === undefined ? {} : { cas: named }) }) };
}

function wait(state: DevState, request: DevRequest, index: () => number): Promise<void> {
  const subscribe = (listener: () => void): (() => void) => {
    const stops = [state.catalog.onChange(listener), state.kv.onChange(listener)];
    return () => {
      for (const stop of stops) stop();
    };
  };
  return blockUntil(state.clock, readWait(request.query, state.random), { index, subscribe, signal: request.signal });
}
