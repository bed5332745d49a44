// One table of requests, asked of the evaluator and of a real Envoy with real backends behind it.
import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { typeUrls } from '../../src/resources/type-urls.ts';
import { createTranslator } from '../../src/translate/translate.ts';
import { type Answer, type Backend, startBackend } from '../support/backends.ts';
import { worldOf } from '../support/case-file.ts';
import { testProtos } from '../support/protos.ts';
import { describeWith, freePort, type RunningEnvoy, startEnvoy } from '../support/real-parts.ts';
import { type Json, ofType, staticConfig } from '../support/static-config.ts';
import { evaluate, type Request } from './evaluator.ts';
import { table } from './table.ts';

/** Service and version of each backend. */
const backends = { web: undefined, 'cart/v1': 'v1', 'cart/v2': 'v2' } as const;

/** The case with an instance for each backend at its port. */
function configured(ports: Readonly<Record<string, number>>, listen: number) {
  const text = readFileSync(new URL('shop.yaml', import.meta.url), 'utf8');
  const instances = (service: string): string =>
    Object.entries(backends)
      .filter(([name]) => name.split('/')[0] === service)
      .map(([name, version]) => {
        const metadata = version === undefined ? '' : `, metadata: { version: ${version} }`;
        return `{ id: ${name}, address: 127.0.0.1, port: ${ports[name] ?? 1}${metadata} }`;
      })
      .join(', ');
  const [header = '', ...objects] = text.split('\n---\n');
  const gateway = `{apiVersion: chancery/v1, kind: Gateway, metadata: {name: edge}, spec: {listeners: [{name: http, port: ${listen}}]}}`;
  const head = `${header}\ninstances: { web: [${instances('web')}], cart: [${instances('cart')}] }`;
  const { world, profile } = worldOf([head, gateway, ...objects].join('\n---\n'));
  const translator = createTranslator({ protos: testProtos() });
  const content = translator.view(world, profile);
  const [routes] = ofType(content, typeUrls.routes);
  if (routes === undefined) throw new Error('no route configuration');
  return { routes, config: staticConfig(content, translator.endpoints(world)) };
}

const title = ({ method = 'GET', host, path, headers = {} }: Request): string =>
  `${method} ${host}${path} ${Object.entries(headers)
    .map((pair) => pair.join('='))
    .join(' ')}`.trim();

describe('requests on the generated routes', () => {
  const { routes } = configured({}, 10000);
  it.each(table.map(([request, outcome]) => [title(request), request, outcome] as const))(
    '%s',
    (_title, request, outcome) => {
      expect(evaluate(routes, request)).toEqual(outcome);
    },
  );
});

interface Response {
  readonly status: number;
  readonly rule?: string;
  readonly location?: string;
  readonly answer?: Answer;
}

function ask(port: number, { method = 'GET', host, path, headers = {} }: Request): Promise<Response> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ host: '127.0.0.1', port, method, path, headers: { ...headers, host } }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (piece: string) => {
        body += piece;
      });
      response.on('end', () => {
        const { location, 'x-rule': rule } = response.headers;
        resolve({
          status: response.statusCode ?? 0,
          ...(typeof rule === 'string' && rule !== '' && rule !== '-' ? { rule } : {}),
          ...(location === undefined ? {} : { location }),
          ...(body.startsWith('{') ? { answer: JSON.parse(body) as Answer } : {}),
        });
      });
    });
    sent.on('error', reject);
    sent.end();
  });
}

/** The static configuration with the name of the route in every response, as the access log would have it. */
function naming(config: Json): Json {
  const text = JSON.stringify(config).replaceAll(
    '"ignore_port_in_host_matching":true',
    '"ignore_port_in_host_matching":true,"response_headers_to_add":[{"header":{"key":"x-rule","value":"%ROUTE_NAME%"}}]',
  );
  return JSON.parse(text) as Json;
}

describe.each([
  ['envoy', 'newest'],
  ['envoy-oldest', 'oldest'],
] as const)('%s', (part, version) => {
  describeWith([part], `requests on the ${version} Envoy`, () => {
    const started: Backend[] = [];
    let envoy: RunningEnvoy | undefined;
    let port = 0;

    beforeAll(async () => {
      const ports: Record<string, number> = {};
      for (const name of Object.keys(backends)) {
        const backend = await startBackend(name);
        started.push(backend);
        ports[name] = backend.port;
      }
      port = await freePort();
      const { admin: _, ...config } = naming(configured(ports, port).config);
      envoy = await startEnvoy(config, version === 'oldest' ? { bin: 'oldest' } : {});
    });
    afterAll(async () => {
      await envoy?.stop();
      for (const backend of started) await backend.crash();
    });

    it.each(table.map(([request, outcome]) => [title(request), request, outcome] as const))(
      '%s',
      async (_title, request, outcome) => {
        const { clusters, path, ...answered } = outcome;
        const { answer, ...response } = await ask(port, request);
        if (clusters === undefined) {
          expect(response).toEqual({
            ...answered,
            ...(answered.location === undefined ? {} : { location: answered.location }),
          });
          return;
        }
        const nobody = Object.keys(clusters).every((name) => !(name in backends));
        expect(response).toEqual({ rule: outcome.rule, status: nobody ? 503 : 200 });
        if (nobody) return;
        expect(Object.keys(clusters)).toContain(answer?.name);
        expect(answer?.path).toBe(path);
      },
    );

    it('splits by weight', async () => {
      const counts: Record<string, number> = { 'cart/v1': 0, 'cart/v2': 0 };
      const asked = 600;
      for (let index = 0; index < asked; index++) {
        const { answer } = await ask(port, { host: 'shop.example', path: '/cart/1' });
        const name = answer?.name ?? 'none';
        counts[name] = (counts[name] ?? 0) + 1;
      }
      expect(counts['cart/v1'] ?? 0).toBeGreaterThan(asked * 0.8);
      expect(counts['cart/v2'] ?? 0).toBeGreaterThan(asked * 0.03);
    });
  });
});
