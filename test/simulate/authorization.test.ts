// Who may call, asked of the evaluator and of a real Envoy: callers with certificates, one with none and one in plaintext,
// for every scenario and request. Each scenario is a virtual host of its own with the policy as it comes with routes.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { request as httpsRequest, Agent as TlsAgent } from 'node:https';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import type { Caller } from '../../src/model/authorization.ts';
import type { Intentions } from '../../src/model/intentions.ts';
import { serviceId } from '../../src/model/names.ts';
import { nextWorld } from '../../src/model/next-world.ts';
import type { World } from '../../src/model/world.ts';
import { typeUrls } from '../../src/resources/type-urls.ts';
import { parseIntentions } from '../../src/sources/consul/intention-entries.ts';
import { bootstrap } from '../../src/translate/bootstrap.ts';
import { createTranslator } from '../../src/translate/translate.ts';
import { type AccessRequest, letsIn } from '../support/access.ts';
import { type Backend, startBackend } from '../support/backends.ts';
import { createAuthority, describeWithOpenssl } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { objectSnapshot, registrySnapshot } from '../support/objects.ts';
import { testProtos } from '../support/protos.ts';
import { describeWith, freePorts, type RunningEnvoy, startEnvoy } from '../support/real-parts.ts';
import { type Json, ofType } from '../support/static-config.ts';
import { createTempDir } from '../support/temp-dir.ts';
import { testInstance } from '../support/worlds.ts';

const at = { source: '', file: '', line: 1, column: 1, object: '' };
const service = (namespace: string, name: string): Caller => ({
  kind: 'service',
  service: serviceId(namespace, name),
  provenance: at,
});

/** Names that a careless comparison would take for each other. */
const callers: Readonly<
  Record<string, { readonly san?: string; readonly caller?: Caller; readonly counter?: string }>
> = {
  web: { san: 'spiffe://service.local/svc/web', caller: service('default', 'web'), counter: 'service/web' },
  'web.a': { san: 'spiffe://service.local/svc/web.a', caller: service('default', 'web.a'), counter: 'service/web:a' },
  'web-a': { san: 'spiffe://service.local/svc/web-a', caller: service('default', 'web-a'), counter: 'service/web-a' },
  'prod/web': {
    san: 'spiffe://service.local/ns/prod/svc/web',
    caller: service('prod', 'web'),
    counter: 'service/prod/web',
  },
  'gateway/edge': {
    san: 'spiffe://service.local/gateway/edge',
    caller: { kind: 'gateway', gateway: 'edge', provenance: at },
    counter: 'gateway/edge',
  },
  // Nobody has registered it.
  stranger: {
    san: 'spiffe://service.local/svc/stranger',
    caller: service('default', 'stranger'),
    counter: 'other-callers',
  },
  // Of our authority, and of no trust domain of ours.
  foreign: { san: 'spiffe://service.local.example/svc/web' },
  'without certificate': {},
  plaintext: {},
};

/** Those that a scenario can tell apart, and a few more. */
function requestsOf(scenario: string): readonly Omit<AccessRequest, 'caller'>[] {
  const shown = ['paths', 'headers'].filter((part) => new RegExp(part.slice(0, -1), 'i').test(scenario));
  return requests.filter(
    ({ headers }, index) => index < 3 || shown.includes(Object.keys(headers).length > 0 ? 'headers' : 'paths'),
  );
}

/** In a scenario: what comes before it is enforced, as an object of its own. */
const besides = 'beside';
const beside = `allow: [{from: [web]}]${besides}`;

/** What comes behind it are the sources of an intention of Consul, not an object. */
const intended = 'intended: ';

/** As long as a value may be, and full of what patterns are made of. */
const long = 'a.b+[c]*(d)|'.repeat(21);

const scenarios: Readonly<Record<string, string>> = {
  nothing: '',
  'allow web': 'allow: [{from: [web]}]',
  'allow a dotted name': 'allow: [{from: [web.a]}]',
  'allow another namespace': 'allow: [{from: [prod/web]}]',
  'allow a gateway': 'allow: [{from: [gateway/edge]}]',
  'allow anyone of the mesh': 'allow: [{from: ["*"]}]',
  'allow everybody': 'allow: [{}]',
  'allow nobody there is': 'allow: [{from: [nobody]}]',
  'deny web': 'deny: [{from: [web]}]',
  'deny anyone of the mesh': 'deny: [{from: ["*"]}]',
  'deny everybody': 'deny: [{}]',
  'deny web beside an allow rule': 'allow: [{from: [web, prod/web]}], deny: [{from: [web]}]',
  'allow by method and path': 'allow: [{from: [web], to: [{methods: [GET], paths: [/a, {prefix: /b}]}]}]',
  'allow a path for everybody': 'allow: [{to: [{paths: [/a]}]}, {from: [web]}]',
  'allow all paths': 'allow: [{to: [{paths: [{prefix: /}]}]}]',
  'allow by header': 'allow: [{to: [{headers: [{name: x-team, exact: shop}, {name: x-tier, exact: gold}]}]}]',
  'allow by a long header': `allow: [{to: [{headers: [{name: x-team, exact: "${long}"}]}]}]`,
  'deny by a long header': `deny: [{to: [{headers: [{name: x-team, exact: "${long}"}]}]}]`,
  'deny by method': 'deny: [{to: [{methods: [GET, PUT]}]}]',
  'deny by path': 'deny: [{to: [{paths: [/a, {prefix: /b/}]}]}]',
  'deny by header': 'deny: [{to: [{headers: [{name: x-team, exact: shop}]}]}]',
  'deny by either operation': 'deny: [{from: [web], to: [{methods: [PUT]}, {paths: [/a]}]}]',
  'shadow allow web': 'mode: shadow, allow: [{from: [web]}]',
  'shadow allow a dotted name some paths': 'mode: shadow, allow: [{from: [web.a], to: [{paths: [{prefix: /b}]}]}]',
  'shadow deny by path': 'mode: shadow, deny: [{from: [web, gateway/edge], to: [{paths: [/a]}]}, {from: [web-a]}]',
  'shadow deny the mesh': 'mode: shadow, deny: [{from: ["*"]}]',
  'shadow deny everybody': 'mode: shadow, deny: [{}]',
  'intend some paths by how they begin': `${intended}[{Name: web, Permissions: [{Action: allow, HTTP: {PathPrefix: /b}}]}]`,
  'intend all paths but some by how they begin': `${intended}[{Name: "*", Permissions: [{Action: deny, HTTP: {PathPrefix: /b}}, {Action: allow}]}]`,
  'intend paths below a slash': `${intended}[{Name: web, Permissions: [{Action: deny, HTTP: {PathPrefix: /b/x, Methods: [GET]}}, {Action: allow, HTTP: {PathPrefix: /b/}}]}]`,
  'shadow allow another beside web': `${beside}mode: shadow, allow: [{from: [prod/web]}]`,
};

const requests: readonly Omit<AccessRequest, 'caller'>[] = [
  { method: 'GET', path: '/', headers: {} },
  { method: 'GET', path: '/a', headers: {} },
  { method: 'PUT', path: '/a', headers: {} },
  { method: 'GET', path: '/a/below', headers: {} },
  { method: 'GET', path: '/b', headers: {} },
  { method: 'GET', path: '/b/below', headers: {} },
  { method: 'GET', path: '/bc', headers: {} },
  { method: 'GET', path: '/b;x', headers: {} },
  { method: 'GET', path: '/b/x%2Fa', headers: {} },
  { method: 'GET', path: '/c%2fa', headers: {} },
  { method: 'GET', path: '/c%5Ca', headers: {} },
  { method: 'GET', path: '/a;x', headers: {} },
  { method: 'GET', path: '/b/x;y', headers: {} },
  { method: 'GET', path: '/b/%2e%2e;/a', headers: {} },
  { method: 'GET', path: '/b/..%3B/a', headers: {} },
  { method: 'GET', path: '/', headers: { 'x-team': ['shop'] } },
  { method: 'GET', path: '/', headers: { 'x-team': ['shop'], 'x-tier': ['gold'] } },
  { method: 'GET', path: '/', headers: { 'x-team': ['shop', 'other'], 'x-tier': ['gold'] } },
  ...['sho', 'shops', 'Shop', '', 'ad\u00ffmin', '\u00ff', 'shop\u00ff', 'sh\u00ffop'].map((second) => ({
    ...{ method: 'GET', path: '/' },
    headers: { 'x-team': ['shop', second], 'x-tier': ['gold'] },
  })),
  { method: 'GET', path: '/', headers: { 'x-team': ['other', 'shop'] } },
  { method: 'GET', path: '/', headers: { 'x-team': ['shop', 'other'] } },
  { method: 'GET', path: '/', headers: { 'x-team': ['other', 'shop', 'third'] } },
  { method: 'GET', path: '/', headers: { 'x-team': ['other, shop'] } },
  { method: 'GET', path: '/', headers: { 'x-team': ['workshop'] } },
  { method: 'GET', path: '/', headers: { 'x-team': [long] } },
  { method: 'GET', path: '/', headers: { 'x-team': [long, long.slice(1)] } },
  { method: 'GET', path: '/', headers: { 'x-team': [long.replace('.', 'x')] } },
];

const others = [
  'kind: Service\nmetadata: {name: web, namespace: prod}\nspec: {port: 80}\n',
  'kind: Gateway\nmetadata: {name: edge}\nspec: {listeners: [{port: 80}]}\n',
];

function worldOf(scenario: string): World {
  const byIntention = scenario.startsWith(intended);
  const specs = scenario === '' || byIntention ? [] : scenario.split(besides);
  const objects = specs.map(
    (spec, index) => `kind: Authorization\nmetadata: {name: cart${index}}\nspec: {service: cart, ${spec}}\n`,
  );
  const text = [...others, ...objects].map((object) => `apiVersion: chancery/v1\n${object}`).join('---\n');
  const names = ['cart', 'web', 'web.a', 'web-a'];
  return nextWorld(undefined, {
    registries: [
      registrySnapshot(
        Object.fromEntries(names.map((name) => [name, [testInstance(name)]])),
        byIntention ? { intentions: intentionsFor('cart', scenario.slice(intended.length)) } : {},
      ),
    ],
    objects: [objectSnapshot({ 'objects.yaml': text })],
    certificates: true,
  });
}

function intentionsFor(destination: string, sources: string): Intentions {
  const body = [{ Kind: 'service-intentions', Name: destination, Sources: parseYaml(sources) }];
  const { intentions, problems } = parseIntentions(body, { source: 'memory', fallback: 'deny' });
  expect(problems).toEqual([]);
  return intentions;
}

const cart = serviceId('default', 'cart');
const translator = createTranslator({ protos: testProtos() });
const hosts = Object.keys(scenarios).map((name, index) => [name, `s${index}.test`] as const);

function hostOf(name: string): string {
  return hosts.find(([own]) => own === name)?.[1] ?? '';
}

interface Ports {
  readonly tls: number;
  readonly plain: number;
  readonly backend: number;
}

/** What the sidecar before the backend gets in each scenario. */
function generated(spec: string, backend: number) {
  const inbound = [{ address: '127.0.0.1', port: 21_000, appAddress: '127.0.0.1', appPort: backend }];
  const content = translator.view(worldOf(spec), { role: 'sidecar', service: cart, inbound, upstreams: [] });
  const [listener] = ofType(content, typeUrls.listener);
  const [routes] = ofType(content, typeUrls.routes);
  const cluster = ofType(content, typeUrls.cluster).find(({ name }) => name === 'inbound/21000');
  return {
    manager: (listener as unknown as Listener).filter_chains[0].filters[0].typed_config,
    host: (routes as { virtual_hosts: readonly [Json] }).virtual_hosts[0],
    cluster: cluster ?? expect.fail('no cluster'),
  };
}

interface Listener {
  readonly filter_chains: readonly [{ readonly filters: readonly [{ readonly typed_config: Json }] }];
}

/** Writes the routes of all scenarios as Envoy reads them from a file; `warm` is those of one more host. */
function writeRoutes(file: string, backend: number, warm: string): void {
  const hostOfSpec = (name: string, domain: string, spec: string) => ({
    ...generated(spec, backend).host,
    ...{ name, domains: [domain] },
  });
  const virtualHosts = [
    ...Object.entries(scenarios).map(([name, spec]) => hostOfSpec(name, hostOf(name), spec)),
    hostOfSpec('warm', 'warm.test', warm),
  ];
  const type = 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration';
  writeFileSync(
    `${file}.new`,
    JSON.stringify({ resources: [{ '@type': type, name: 'inbound/21000', virtual_hosts: virtualHosts }] }),
  );
  renameSync(`${file}.new`, file);
}

/** The generated filters behind two listeners: one takes TLS with or without a certificate, one plaintext. */
function config(ports: Ports, files: Readonly<Record<'ca' | 'cert' | 'key' | 'routes', string>>): object {
  const { manager, cluster } = generated('', ports.backend);
  const { access_log: _, ...rest } = manager;
  const rds = {
    route_config_name: 'inbound/21000',
    config_source: { path_config_source: { path: files.routes }, resource_api_version: 'V3' },
  };
  const filters = [
    { name: 'envoy.filters.network.http_connection_manager', typed_config: { ...rest, stat_prefix: 'inbound', rds } },
  ];
  const address = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } });
  const transportSocket = {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
      require_client_certificate: false,
      common_tls_context: {
        tls_certificates: [{ certificate_chain: { filename: files.cert }, private_key: { filename: files.key } }],
        validation_context: { trusted_ca: { filename: files.ca } },
      },
    },
  };
  return {
    node: { id: 'static', cluster: 'static' },
    // As in every bootstrap of ours: patterns may be larger than Envoy's default allows.
    layeredRuntime: bootstrap({ node: 'static', role: 'gateway', xds: { address: '127.0.0.1', port: 1 } })
      .layeredRuntime,
    static_resources: {
      listeners: [
        { name: 'tls', address: address(ports.tls), filter_chains: [{ filters, transport_socket: transportSocket }] },
        { name: 'plain', address: address(ports.plain), filter_chains: [{ filters }] },
      ],
      clusters: [cluster],
    },
  };
}

it('no policy touches the listener', () => {
  const managers = Object.values(scenarios).map((spec) => generated(spec, 1).manager);
  expect(new Set(managers.map((manager) => JSON.stringify(manager))).size).toBe(1);
});

describeWithOpenssl('who may call', () => {
  describe.each(['envoy', 'envoy-oldest'] as const)('on %s', (part) =>
    describeWith([part], 'a real Envoy', () => {
      const dir = createTempDir('access');
      const agents = new Map<string, Agent | TlsAgent>();
      let ports: Ports;
      let backend: Backend;
      let envoy: RunningEnvoy;

      beforeAll(async () => {
        const authority = createAuthority(dir.path);
        const own = authority.leaf('own', 'URI:spiffe://service.local/svc/cart');
        backend = await startBackend('cart');
        const [tls = 0, plain = 0] = await freePorts(2);
        ports = { tls, plain, backend: backend.port };
        for (const [name, { san }] of Object.entries(callers)) {
          if (name === 'plaintext') agents.set(name, new Agent({ keepAlive: true, maxSockets: 1 }));
          else {
            const leaf = san === undefined ? undefined : authority.leaf(`caller-${agents.size}`, `URI:${san}`);
            const pair = leaf && { cert: readFileSync(leaf.cert), key: readFileSync(leaf.key) };
            agents.set(name, new TlsAgent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false, ...pair }));
          }
        }
        const routes = join(dir.path, 'routes.json');
        writeRoutes(routes, ports.backend, '');
        envoy = await startEnvoy(
          config(ports, { ca: authority.ca, ...own, routes }),
          part === 'envoy' ? {} : { bin: 'oldest' },
        );
      }, 60_000);
      afterAll(async () => {
        for (const agent of agents.values()) agent.destroy();
        await envoy.stop();
        await backend[Symbol.asyncDispose]();
        dir.remove();
      });

      function send(caller: string, host: string, { method, path, headers }: Omit<AccessRequest, 'caller'>) {
        const plain = caller === 'plaintext';
        const agent = agents.get(caller);
        const lines = Object.entries(headers).flatMap(([name, values]) => values.flatMap((value) => [name, value]));
        const options = {
          ...{ host: '127.0.0.1', port: plain ? ports.plain : ports.tls, method, path, agent },
          headers: ['host', host, ...lines],
        };
        return new Promise<number>((resolve, reject) => {
          const sent = (plain ? httpRequest : httpsRequest)(options, (response) => {
            response.resume().once('end', () => resolve(response.statusCode ?? 0));
          });
          sent.once('error', reject).end();
        });
      }

      it.each(Object.keys(scenarios))('T24: %s', async (name) => {
        const authorizations = worldOf(scenarios[name] ?? '').authorizations.get(cart) ?? [];
        for (const [who, { caller }] of Object.entries(callers))
          for (const request of requestsOf(scenarios[name] ?? '')) {
            const wanted = letsIn(authorizations, { ...request, ...(caller === undefined ? {} : { caller }) });
            const status = await send(who, hostOf(name), request);
            expect(status, `${who} ${JSON.stringify(request)}`).toBe(wanted ? 200 : 403);
          }
      });

      it('a policy bites on the next request of a warm connection, and no listener is touched', async () => {
        const ask = (): Promise<number> => send('web', 'warm.test', { method: 'GET', path: '/', headers: {} });
        expect(await ask()).toBe(200);
        const connections = await envoy.stat('http.inbound.downstream_cx_total');
        const routes = join(dir.path, 'routes.json');
        writeRoutes(routes, ports.backend, 'deny: [{from: [web]}]');
        await eventually(async () => (await ask()) === 403);
        writeRoutes(routes, ports.backend, 'allow: [{from: [web]}]');
        await eventually(async () => (await ask()) === 200);
        expect(await envoy.stat('http.inbound.downstream_cx_total')).toBe(connections);
        expect(await envoy.stat('listener_manager.listener_modified')).toBe(0);
      });

      /** Requests that would have been refused, by caller. */
      async function counted(): Promise<ReadonlyMap<string, number>> {
        const stats = await envoy.adminGet('/stats?filter=shadow_denied');
        return new Map(
          [...stats.matchAll(/\.policy\.(.+)\.shadow_denied: (\d+)/g)].map(([, name = '', count]) => [
            name,
            Number(count),
          ]),
        );
      }

      it.each(Object.keys(scenarios).filter((name) => name.startsWith('shadow')))(
        'counts by caller: %s',
        async (name) => {
          const authorizations = worldOf(scenarios[name] ?? '').authorizations.get(cart) ?? [];
          const before = await counted();
          const wanted = new Map<string, number>();
          for (const [who, { caller, counter = 'without-identity' }] of Object.entries(callers))
            for (const request of requestsOf(scenarios[name] ?? '')) {
              await send(who, hostOf(name), request);
              if (letsIn(authorizations, { ...request, ...(caller === undefined ? {} : { caller }) }, 'shadow'))
                continue;
              wanted.set(counter, (wanted.get(counter) ?? 0) + 1);
            }
          const grown = [...(await counted())].map(([key, count]) => [key, count - (before.get(key) ?? 0)] as const);
          expect(Object.fromEntries(grown.filter(([, count]) => count > 0))).toEqual(Object.fromEntries(wanted));
        },
      );
    }),
  );
});
