// Whatever people write, a gRPC client gets nothing that it would refuse: grpc-js's own rules over random Worlds, and over
// every golden case as a gRPC client would see it.
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { World } from '../../../src/model/world.ts';
import { missingRefs } from '../../../src/resources/check.ts';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import { createValidator } from '../../../src/resources/validate.ts';
import { createTranslator } from '../../../src/translate/translate.ts';
import { readCase } from '../../support/case-file.ts';
import { grpcJsFault } from '../../support/grpc-js-rules.ts';
import { propertyRuns } from '../../support/property-runs.ts';
import { testProtos } from '../../support/protos.ts';
import { resource } from '../../support/static-views.ts';
import { anyWorld } from './any-world.ts';

const golden = fileURLToPath(new URL('../../golden/', import.meta.url));
const cases = readdirSync(golden, { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() ? [entry.name] : [],
);
const valid = createValidator(testProtos());
const server = 'grpc/server?xds.resource.listening_address=127.0.0.1:50051';

function expectFine(world: World): number {
  const translator = createTranslator({ protos: testProtos() });
  const [service] = world.services.keys();
  const content = translator.view(world, { role: 'proxyless', ...(service === undefined ? {} : { service }) });
  const endpoints = translator.endpoints(world);
  const listed = [...content.resources.values()].flatMap((named) => [...named.values()]);
  const names = [
    'cart',
    'web:80',
    'a.shop.example',
    'any.thing',
    server,
    ...world.routes.flatMap(({ hosts }) => hosts),
  ];
  const listeners = names.flatMap((name) => content.onDemand?.get(name) ?? []);
  for (const one of [...listed, ...listeners, ...endpoints.values()]) {
    expect(grpcJsFault(one), one.name).toBeUndefined();
    expect(valid(testProtos().parse(one.type, testProtos().decode(one.type, one.bytes)))).toEqual([]);
  }
  const missing = missingRefs([...listed, ...listeners], ({ type, name }) =>
    type === typeUrls.endpoints ? endpoints.has(name) : content.resources.get(type)?.has(name) === true,
  );
  expect(missing).toEqual([]);
  expect(content.problems.filter(({ code }) => /^CH140[1-3]/.test(code))).toEqual([]);
  return content.resources.get(typeUrls.routes)?.size ?? 0;
}

describe('what gRPC clients are given', () => {
  it('would be seen if it were refused', () => {
    const wrong = resource(typeUrls.cluster, 'x', {
      bytes: testProtos().encode(typeUrls.cluster, { name: 'x', type: 'STATIC' }),
    });
    expect(grpcJsFault(wrong)).toContain('Unsupported type STATIC');
  });

  it.each(cases)('is fine in golden case %s', (name) => {
    expectFine(readCase(`${golden}${name}/in.yaml`).world);
  });

  it('is fine for whatever the schema allows', () => {
    let routes = 0;
    fc.assert(
      fc.property(anyWorld, (world) => {
        routes += expectFine(world);
      }),
      { numRuns: propertyRuns(60) },
    );
    expect(routes).toBeGreaterThan(propertyRuns(60) / 2);
  }, 600_000);
});
