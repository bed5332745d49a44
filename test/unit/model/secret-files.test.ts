// Files of the control plane that are read for nobody else, whichever section names them.
import { describe, expect, it } from 'vitest';
import { configJsonSchema, configSchema } from '../../../src/model/config.ts';
import { trustSchema } from '../../../src/model/config-trust.ts';
import { secretFiles } from '../../../src/model/secret-files.ts';

/** Whose value is a path, and what lies there may be known. */
const open = ['cert', 'certFile', 'certificateFile', 'caFile', 'clientCa', 'rootsFile', 'jwksFile'];
const secret = ['key', 'keyFile', 'privateKeyFile', 'tokenFile', 'passwordFile', 'jwkFile', 'file'];

/** Names of all keys with a text that seems to be a file. */
function fileKeys(node: unknown): string[] {
  if (Array.isArray(node)) return node.flatMap(fileKeys);
  if (typeof node !== 'object' || node === null) return [];
  return Object.entries(node).flatMap(([key, child]) => {
    const isText = (child as { type?: unknown } | null)?.type === 'string';
    return [...(isText && /file$|^key$|^cert$|Ca$/i.test(key) ? [key] : []), ...fileKeys(child)];
  });
}

describe('files with secrets of the control plane', () => {
  it('T1: are all that chancery.yaml can name, and a key that comes later has to be told apart here', () => {
    expect([...new Set(fileKeys(configJsonSchema()))].sort()).toEqual([...open, ...secret].sort());
  });

  it('T1: are the keys of the API and those that registries and stores are reached with, not only of the xDS port', () => {
    const reach = (name: string) => ({ certFile: `/${name}.crt`, keyFile: `/${name}.key`, caFile: '/ca.pem' });
    const config = configSchema.parse({
      state: '/state',
      xds: { tls: { cert: '/xds.crt', key: '/xds.key' } },
      http: { tls: { cert: '/api.crt', key: '/api.key' }, tokenFile: '/api.token' },
      registries: [
        { kind: 'consul', ...reach('consul'), tokenFile: '/consul.token' },
        { kind: 'etcd', ...reach('etcd'), passwordFile: '/etcd.password' },
      ],
      objects: [{ kind: 'etcd', ...reach('objects') }],
    });
    const trust = trustSchema.parse({
      root: { kind: 'vault', address: 'https://vault', token: { file: '/vault.token' }, sealKey: { file: '/seal' } },
      connect: { ...reach('connect'), tokenFile: '/connect.token' },
      joinStore: { kind: 'files', path: '/joined' },
      authenticate: { consul: reach('asked') },
    });
    if (trust === undefined) throw new Error('trust was asked for');
    const found = secretFiles(config, trust);
    expect([...found].sort()).toEqual(
      [
        ...['/state', '/joined', '/xds.key', '/api.key', '/api.token', '/consul.key', '/consul.token', '/etcd.key'],
        ...['/etcd.password', '/objects.key', '/vault.token', '/seal', '/connect.key', '/connect.token', '/asked.key'],
      ].sort(),
    );
  });
});
