// Who may call, asked of the evaluator and of a real Envoy: callers with certificates, one with none and one in plaintext,
// for every scenario and request. Each scenario is a virtual host of its own with the policy as it comes with routes.
import { readFileSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { request as httpsRequest, Agent as TlsAgent } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Caller } from '../../src/model/authorization.ts';
import { serviceId } from '../../src/model/names.ts';
import { nextWorld } from '../../src/model/next-world.ts';
import type { World } from '../../src/model/world.ts';
import { httpAuthorization } from '../../src/translate/authorization/authorization.ts';
import { httpFilters } from '../../src/translate/filters/index.ts';
import { type AccessRequest, letsIn } from '../support/access.ts';
import { type Backend, startBackend } from '../support/backends.ts';
import { createAuthority } from '../support/certificates.ts';
import { objectSnapshot, registrySnapshot } from '../support/objects.ts';
import { describeWith, freePorts, type RunningEnvoy, startEnvoy } from '../support/real-parts.ts';
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
  const shown = ['paths', 'headers'].filter((part) => scenario.includes(part));
  return requests.filter(
    ({ headers }, index) => index < 3 || shown.includes(Object.keys(headers).length > 0 ? 'headers' : 'paths'),
  );
}

/** In a scenario: what comes before it is enforced, as an object of its own. */
const besides = 'beside';
const beside = `allow: [{from: [web]}]${besides}`;

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
  'deny by method': 'deny: [{to: [{methods: [GET, PUT]}]}]',
  'deny by path': 'deny: [{to: [{paths: [/a, {prefix: /b/}]}]}]',
  'deny by header': 'deny: [{to: [{headers: [{name: x-team, exact: shop}]}]}]',
  'deny by either operation': 'deny: [{from: [web], to: [{methods: [PUT]}, {paths: [/a]}]}]',
  'shadow allow web': 'mode: shadow, allow: [{from: [web]}]',
  'shadow allow a dotted name some paths': 'mode: shadow, allow: [{from: [web.a], to: [{paths: [{prefix: /b}]}]}]',
  'shadow deny by path': 'mode: shadow, deny: [{from: [web, gateway/edge], to: [{paths: [/a]}]}, {from: [web-a]}]',
  'shadow deny the mesh': 'mode: shadow, deny: [{from: ["*"]}]',
  'shadow deny everybody': 'mode: shadow, deny: [{}]',
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
  { method: 'GET', path: '/b/x%2Fa', headers: {} },
  { method: 'GET', path: '/c%2fa', headers: {} },
  { method: 'GET', path: '/c%5Ca', headers: {} },
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
];

const others = [
  'kind: Service\nmetadata: {name: web, namespace: prod}\nspec: {port: 80}\n',
  'kind: Gateway\nmetadata: {name: edge}\nspec: {listeners: [{port: 80}]}\n',
];

function worldOf(scenario: string): World {
  const specs = scenario === '' ? [] : scenario.split(besides);
  const objects = specs.map(
    (spec, index) => `kind: Authorization\nmetadata: {name: cart${index}}\nspec: {service: cart, ${spec}}\n`,
  );
  const text = [...others, ...objects].map((object) => `apiVersion: chancery/v1\n${object}`).join('---\n');
  const names = ['cart', 'web', 'web.a', 'web-a'];
  return nextWorld(undefined, {
    registries: [registrySnapshot(Object.fromEntries(names.map((name) => [name, [testInstance(name)]])))],
    objects: [objectSnapshot({ 'objects.yaml': text })],
    certificates: true,
  });
}

const cart = serviceId('default', 'cart');
const hosts = Object.keys(scenarios).map((name, index) => [name, `s${index}.test`] as const);

function hostOf(name: string): string {
  return hosts.find(([own]) => own === name)?.[1] ?? '';
}

interface Ports {
  readonly tls: number;
  readonly plain: number;
  readonly backend: number;
}

function config({ tls, plain, backend }: Ports, files: Readonly<Record<'ca' | 'cert' | 'key', string>>): object {
  const manager = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    statPrefix: 'inbound',
    normalizePath: true,
    mergeSlashes: true,
    httpFilters: httpFilters({ authorization: true }),
    routeConfig: {
      virtualHosts: Object.entries(scenarios).map(([name, spec]) => {
        const typedPerFilterConfig = httpAuthorization(worldOf(spec), cart);
        return {
          name,
          domains: [hostOf(name)],
          routes: [{ match: { prefix: '/' }, route: { cluster: 'app' } }],
          ...(typedPerFilterConfig === undefined ? {} : { typedPerFilterConfig }),
        };
      }),
    },
  };
  const filters = [{ name: 'envoy.filters.network.http_connection_manager', typedConfig: manager }];
  const address = (portValue: number) => ({ socketAddress: { address: '127.0.0.1', portValue } });
  const file = (filename: string) => ({ inlineString: readFileSync(filename, 'utf8') });
  const transportSocket = {
    name: 'envoy.transport_sockets.tls',
    typedConfig: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
      commonTlsContext: {
        tlsCertificates: [{ certificateChain: file(files.cert), privateKey: file(files.key) }],
        validationContext: { trustedCa: file(files.ca) },
      },
    },
  };
  return {
    staticResources: {
      listeners: [
        { name: 'tls', address: address(tls), filterChains: [{ filters, transportSocket }] },
        { name: 'plain', address: address(plain), filterChains: [{ filters }] },
      ],
      clusters: [
        {
          name: 'app',
          type: 'STATIC',
          loadAssignment: {
            clusterName: 'app',
            endpoints: [{ lbEndpoints: [{ endpoint: { address: address(backend) } }] }],
          },
        },
      ],
    },
  };
}

describe.each(['envoy', 'envoy-oldest'] as const)('who may call, on %s', (part) => {
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
        if (name === 'plaintext') agents.set(name, new Agent({ keepAlive: true }));
        else {
          const leaf = san === undefined ? undefined : authority.leaf(`caller-${agents.size}`, `URI:${san}`);
          const pair = leaf && { cert: readFileSync(leaf.cert), key: readFileSync(leaf.key) };
          agents.set(name, new TlsAgent({ keepAlive: true, rejectUnauthorized: false, ...pair }));
        }
      }
      envoy = await startEnvoy(config(ports, { ca: authority.ca, ...own }), part === 'envoy' ? {} : { bin: 'oldest' });
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
            if (letsIn(authorizations, { ...request, ...(caller === undefined ? {} : { caller }) }, 'shadow')) continue;
            wanted.set(counter, (wanted.get(counter) ?? 0) + 1);
          }
        const grown = [...(await counted())].map(([key, count]) => [key, count - (before.get(key) ?? 0)] as const);
        expect(Object.fromEntries(grown.filter(([, count]) => count > 0))).toEqual(Object.fromEntries(wanted));
      },
    );
  });
});
