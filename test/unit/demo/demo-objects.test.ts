// The demo's own objects are without fault, and its seed objects are the ones of examples/seed.
import { describe, expect, it } from 'vitest';
import { gatewayText, routesText, seedText } from '../../../src/demo/demo-objects.ts';
import { parseDocument } from '../../../src/model/parse.ts';

describe('demo objects', () => {
  it.each([
    ['routes', routesText(10), ['Service default/api', 'Route default/demo']],
    ['routes, all to version 2', routesText(100), ['Service default/api', 'Route default/demo']],
    ['gateway', gatewayText(10_000), ['Gateway default/edge']],
    [
      'seed',
      seedText,
      [
        'Service default/user-service',
        'Service default/user-service',
        'Service default/order-service',
        'Service default/order-service',
        'Route default/user-to-order',
      ],
    ],
  ])('%s parse without a problem', (_name, text, objects) => {
    const parsed = parseDocument({ path: 'demo.yaml', text }, 'demo');
    expect(parsed.problems).toEqual([]);
    expect(parsed.objects.map(({ kind, namespace, name }) => `${kind} ${namespace}/${name}`)).toEqual(objects);
  });
});
