import { describe, expect, it } from 'vitest';
import { defaultNamespace, serviceId } from '../../../src/model/names.ts';
import { bootstrap } from '../../../src/translate/bootstrap.ts';
import { clusterName, inboundClusterName } from '../../../src/translate/cluster-names.ts';

const names = ['cart', 'Cart', 'cart.v2', 'inbound', 'chancery', 'chancery_admin', 'default', '8080'];
const namespaces = [defaultNamespace, 'prod', 'inbound', 'chancery'];
const subsets = [undefined, 'v2', '8080'];

describe('clusterName', () => {
  it('never gives two sets of instances one name, nor one that a bootstrap or a sidecar has', () => {
    const own = [inboundClusterName(8080), inboundClusterName(80)];
    const made = bootstrap({ node: 'a', role: 'gateway', xds: { address: '127.0.0.1', port: 18000 } });
    const inBootstrap = (made.staticResources?.clusters ?? []).map(({ name }) => name ?? '');
    expect(inBootstrap).toHaveLength(2);
    const all = namespaces.flatMap((namespace) =>
      names.flatMap((name) => subsets.map((subset) => clusterName(serviceId(namespace, name), subset))),
    );
    const together = [...own, ...inBootstrap, ...all];
    expect(new Set(together).size).toBe(together.length);
  });

  it('is the plain name wherever it can be', () => {
    expect(clusterName(serviceId('default', 'cart'), 'v2')).toBe('cart/v2');
    expect(clusterName(serviceId('prod', 'chancery'))).toBe('prod|chancery');
    expect(clusterName(serviceId('default', 'chancery'))).toBe('default|chancery');
  });
});
