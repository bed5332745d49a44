import { expect, it } from 'vitest';
import { restSource, restSources } from '../../../src/translate/rest-sources.ts';

it('what is named by ADS is named by REST, at any depth, and nothing else is changed', () => {
  const cluster = {
    name: 'cart',
    edsClusterConfig: { edsConfig: { ads: {}, resourceApiVersion: 'V3', initialFetchTimeout: '3s' } },
  };
  const listener = {
    filterChains: [{ filters: [{ typedConfig: { rds: { configSource: { ads: {} }, routeConfigName: 'main' } } }] }],
    metadata: { filterMetadata: { shop: { ads: 'many', list: [1, null, 'x'] } } },
  };
  expect(restSources([cluster, listener])).toEqual([
    {
      name: 'cart',
      edsClusterConfig: {
        edsConfig: { apiConfigSource: restSource, resourceApiVersion: 'V3', initialFetchTimeout: '3s' },
      },
    },
    {
      filterChains: [
        {
          filters: [
            { typedConfig: { rds: { configSource: { apiConfigSource: restSource }, routeConfigName: 'main' } } },
          ],
        },
      ],
      metadata: { filterMetadata: { shop: { ads: 'many', list: [1, null, 'x'] } } },
    },
  ]);
});
