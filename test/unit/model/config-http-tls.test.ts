// Where the HTTP API may listen, and what it shows there.
import { describe, expect, it } from 'vitest';
import { resolveConfig } from '../../../src/model/config-layers.ts';

function resolve(http: object, more: object = {}) {
  const text = JSON.stringify({ registries: [{ kind: 'consul' }], http, ...more });
  const { config, problems } = resolveConfig({
    ...{ file: { path: 'chancery.yaml', text }, environment: {}, flags: {}, objectsDirectory: false },
  });
  return { tls: config?.http.tls, codes: problems.map(({ code, message }) => `${code} ${message}`).join('\n') };
}

const beyond = { address: '0.0.0.0' };
const files = { cert: '/etc/chancery/api.pem', key: '/etc/chancery/api.key' };

describe('the HTTP API', () => {
  it('stays on loopback unless it has TLS, or plaintext was asked for', () => {
    expect(resolve({}).codes).toBe('');
    expect(resolve(beyond).codes).toContain('CH1613 http.address "0.0.0.0" is not loopback');
    expect(resolve({ ...beyond, insecure: true }).codes).toBe('');
    expect(resolve({ ...beyond, tls: files })).toEqual({ tls: files, codes: '' });
    expect(resolve({ ...beyond, tls: { issuer: 'mesh' } }, { trust: {} })).toEqual({
      tls: { issuer: 'mesh' },
      codes: '',
    });
  });

  it('shows files or the certificate of our authority, where there is one', () => {
    for (const tls of [{}, { cert: 'c' }, { key: 'k' }, { ...files, issuer: 'mesh' }, { issuer: 'mesh', cert: 'c' }])
      expect(resolve({ tls }).codes, JSON.stringify(tls)).toContain('name either issuer, or cert and key');
    const without = resolve({ tls: { issuer: 'mesh' } }, { xds: { insecure: true } });
    expect(without.codes).toContain('CH1604 "http.tls.issuer" needs trust');
  });
});
