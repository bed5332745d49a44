import { describe, expect, it } from 'vitest';
import { requestNames } from '../../../src/model/request-names.ts';

const mesh = { domain: 'mesh.example' };

describe('requestNames', () => {
  it('gives the generated names, then the hosts, each once', () => {
    const hosts = ['shop.example', 'cart.mesh.example'];
    expect(requestNames({ name: 'Cart', namespace: 'default', hosts }, mesh)).toEqual([
      'cart',
      'cart.mesh.example',
      'cart.service.consul',
      'cart.default',
      'cart.default.mesh.example',
      'shop.example',
    ]);
  });

  it('leaves the short names to the default namespace', () => {
    expect(requestNames({ name: 'cart', namespace: 'prod', hosts: [] }, mesh)).toEqual([
      'cart.prod',
      'cart.prod.mesh.example',
    ]);
  });
});
