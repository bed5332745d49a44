// A change costs what it changes: how many functions ran and how many messages were encoded, counted on the real chain
// from a source to the views, in a world of 1,000 services x 10 instances and 20 views.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { planeInstance, serviceName, startTestPlane, type TestPlane } from '../../support/plane.ts';

const clock = createFakeClock();
let plane: TestPlane;
let clients: ReturnType<TestPlane['connect']>[];

const counts = (of: ReadonlyMap<string, number>): Record<string, number> => Object.fromEntries(of);

/** What `change` added to the counters. */
async function cost(
  change: () => void | Promise<void>,
): Promise<{ ran: Record<string, number>; encoded: Record<string, number> }> {
  const { counters } = plane.translator;
  const before = { ran: counts(counters.ran), encoded: counts(counters.encoded) };
  for (const { told } of clients) told.length = 0;
  await change();
  await clock.advanceAsync(1000);
  const since = (now: ReadonlyMap<string, number>, then: Record<string, number>): Record<string, number> =>
    Object.fromEntries(
      [...now].map(([key, value]) => [key, value - (then[key] ?? 0)] as const).filter(([, value]) => value > 0),
    );
  return { ran: since(counters.ran, before.ran), encoded: since(counters.encoded, before.encoded) };
}

describe('incremental by count', () => {
  beforeAll(async () => {
    plane = startTestPlane({ services: 1000, instances: 10, clock });
    await clock.advanceAsync(1000);
    clients = [
      plane.connect('edge-1', 'edge'),
      ...Array.from({ length: 19 }, (_, index) => plane.connect(`${serviceName(index)}-0`, serviceName(index))),
    ];
    await clock.advanceAsync(1000);
  }, 60_000);
  afterAll(() => plane.stop());

  it('one endpoint event encodes one message, translates no view and tells one name to each', async () => {
    const { encoded } = await cost(() => plane.registry.register(serviceName(500), planeInstance(500, 3, 7)));
    expect(encoded).toEqual({ EDS: 1 });
    for (const { told } of clients) expect(told).toEqual([{ type: typeUrls.endpoints, name: serviceName(500) }]);
  });

  it('an event that changes nothing costs nothing', async () => {
    const { encoded, ran } = await cost(() => plane.registry.register(serviceName(500), planeInstance(500, 3, 7)));
    expect({ encoded, ran }).toEqual({ encoded: {}, ran: {} });
    for (const { told } of clients) expect(told).toEqual([]);
  });

  it('one route change encodes what names it, and no cluster or listener', async () => {
    const route = (status: number): string =>
      `apiVersion: chancery/v1\nkind: Route\nmetadata: {name: one}\nspec:\n  hosts: [one.example]\n  rules: [{respond: {status: ${status}}}]\n`;
    await cost(() => plane.objects.put({ path: 'one.yaml', text: route(200) }));
    const { encoded } = await cost(() => plane.objects.put({ path: 'one.yaml', text: route(201) }));
    expect(encoded['CDS']).toBeUndefined();
    expect(encoded['LDS']).toBeUndefined();
    expect(encoded['EDS']).toBeUndefined();
    for (const { told } of clients) expect(told.map(({ type }) => type)).toEqual([typeUrls.routes]);
    // The gateway and the sidecars have a table each; the one virtual host is encoded once for both.
    expect(encoded).toEqual({ RDS: 2, 'virtual host': 1 });
  });
});
