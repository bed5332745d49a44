// What is said at start where less is asked of proxies than by default.
import { describe, expect, it } from 'vitest';
import { trustNotice, xdsOptions } from '../../../src/cli/xds-options.ts';
import { resolveConfig } from '../../../src/model/config-layers.ts';

function configOf(text: string) {
  const { config, problems } = resolveConfig({
    ...{ environment: {}, flags: {}, objectsDirectory: false },
    file: { path: 'chancery.yaml', text: `registries: [{kind: files}]\n${text}` },
  });
  return config ?? expect.fail(JSON.stringify(problems));
}
const own = { cert: '/s/cert.pem', key: '/s/key.pem', roots: '/s/roots.pem' };

describe('the xDS port', () => {
  it('shows the certificate of our authority by default, and asks for one without requiring it', () => {
    expect(xdsOptions(configOf('').xds, own)).toMatchObject({
      insecure: false,
      tls: { cert: own.cert, key: own.key, minVersion: '1.3', clientCa: own.roots, clientCertificates: 'optional' },
    });
  });

  it('is not opened in plaintext where nobody said so, whatever was lost on the way', () => {
    expect(() => xdsOptions(configOf('').xds)).toThrow('[CH1501]');
  });

  it('has no TLS where plaintext was asked for', () => {
    const options = xdsOptions(configOf('xds: {insecure: true}\n').xds);
    expect([options.insecure, options.tls]).toEqual([true, undefined]);
  });
});

describe('the notice at start', () => {
  it.each([
    ['', undefined],
    ['xds: {tls: {cert: /c, key: /k}}\ntrust: {}\n', undefined],
    ['xds: {insecure: true}\n', 'insecure: xDS speaks plaintext, nobody is asked'],
    ['xds: {tls: {cert: /c, key: /k}}\n', 'no trust: xds.tls has certificates of yours, nobody is asked'],
    ['xds: {tls: {cert: /c, key: /k, clientCa: /a}}\n', 'any client certificate may be any proxy'],
  ])('of %j', (text, said) => {
    const notice = trustNotice(configOf(text));
    if (said === undefined) expect(notice).toBeUndefined();
    else expect(notice).toContain(said);
  });
});
