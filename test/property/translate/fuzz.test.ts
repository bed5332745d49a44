// Objects as the published schema allows them, and instances at random: translation never throws, names only what exists,
// breaks none of the rules of Envoy's protos, names nothing twice, and the real Envoy takes what comes out.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { World } from '../../../src/model/world.ts';
import { missingRefs, portClashes } from '../../../src/resources/check.ts';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import { createValidator } from '../../../src/resources/validate.ts';
import type { ProxyProfile } from '../../../src/translate/profile.ts';
import { createTranslator } from '../../../src/translate/translate.ts';
import { propertyRuns } from '../../support/property-runs.ts';
import { testProtos } from '../../support/protos.ts';
import { describeWith, envoyValidate } from '../../support/real-parts.ts';
import { ofType, staticConfig } from '../../support/static-config.ts';
import { anyWorld } from './any-world.ts';

function profiles(of: World): ProxyProfile[] {
  const gateways = of.gateways.size > 0 ? [...of.gateways.keys()] : ['edge'];
  const [first] = of.services.keys();
  const sidecars = [...of.services.keys()].slice(0, 2).map(
    (service): ProxyProfile => ({
      role: 'sidecar',
      service,
      inbound: [{ address: '127.0.0.1', port: 8080, appAddress: '127.0.0.1', appPort: 80 }],
      outbound: { address: '127.0.0.1', port: 15001 },
      upstreams: first === undefined ? [] : [{ service: first, address: '::1', port: 9091 }],
    }),
  );
  return [...gateways.map((gateway): ProxyProfile => ({ role: 'gateway', gateway })), ...sidecars];
}

interface Named {
  readonly name: string;
  readonly virtual_hosts?: readonly { readonly name: string; readonly domains: readonly string[] }[];
  readonly address?: { readonly socket_address: { readonly address: string; readonly port_value: number } };
}

function twice(items: readonly string[]): string[] {
  return items.filter((item, index) => items.indexOf(item) !== index);
}

function views(of: World) {
  const translator = createTranslator({ protos: testProtos() });
  return profiles(of).map((profile) => ({
    content: translator.view(of, profile),
    endpoints: translator.endpoints(of),
  }));
}

describe('whatever the schema allows', () => {
  const valid = createValidator(testProtos());

  it('gives views that name what exists, once, and keep the rules of Envoy', () => {
    let routes = 0;
    fc.assert(
      fc.property(anyWorld, (of) => {
        routes += of.routes.length;
        for (const { content, endpoints } of views(of)) {
          const all = [...content.resources.values()].flatMap((named) => [...named.values()]);
          const missing = missingRefs(all, ({ type, name }) =>
            type === typeUrls.endpoints ? endpoints.has(name) : content.resources.get(type)?.has(name) === true,
          );
          expect(missing).toEqual([]);
          expect(content.problems.filter(({ code }) => code.startsWith('CH14'))).toEqual([]);
          for (const { type, bytes } of [...all, ...endpoints.values()])
            expect(valid(testProtos().parse(type, testProtos().decode(type, bytes)))).toEqual([]);
          for (const { virtual_hosts: items = [] } of ofType(content, typeUrls.routes) as unknown as Named[]) {
            expect(twice(items.flatMap(({ domains }) => domains.map((domain) => domain.toLowerCase())))).toEqual([]);
            expect(twice(items.map(({ name }) => name))).toEqual([]);
          }
          const listeners = ofType(content, typeUrls.listener) as unknown as Named[];
          const bound = listeners.flatMap(({ address }) => address?.socket_address ?? []);
          expect([...portClashes(bound.map(({ address, port_value: port }) => ({ address, port }))).keys()]).toEqual(
            [],
          );
        }
      }),
      { numRuns: propertyRuns(60) },
    );
    // Much of what is generated must be good, or nothing was tried; about half is.
    expect(routes).toBeGreaterThan(propertyRuns(60) / 4);
  }, 600_000);
});

describeWith(['envoy'], 'whatever the schema allows', () => {
  it('is taken by the real Envoy', async () => {
    await fc.assert(
      fc.asyncProperty(anyWorld, async (of) => {
        for (const { content, endpoints } of views(of).slice(0, 2))
          expect(await envoyValidate(staticConfig(content, endpoints))).toEqual({
            ok: true,
            output: expect.any(String) as string,
          });
      }),
      { numRuns: propertyRuns(15), endOnFailure: true },
    );
  }, 600_000);
});
