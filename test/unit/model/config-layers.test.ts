// The layers of the configuration: precedence, origins, and an error for everything that does not fit.
import { describe, expect, it } from 'vitest';
import { type ConfigInput, resolveConfig } from '../../../src/model/config-layers.ts';
import { problemText } from '../../../src/model/problem.ts';

const file = (text: string) => ({ path: 'chancery.yaml', text });
const resolve = (input: Partial<ConfigInput>) =>
  resolveConfig({ environment: {}, flags: {}, objectsDirectory: false, ...input });
const texts = (input: Partial<ConfigInput>) => resolve(input).problems.map(problemText);
const consul = 'registries: [{kind: consul}]\n';

describe('layers', () => {
  it('takes the default, the file, the environment and the flag, each over the one before', () => {
    const yaml = file(`${consul}xds: {port: 1}\nhttp: {port: 2}\nlog: {level: warn}\n`);
    const { config, origins } = resolve({
      file: yaml,
      environment: { CHANCERY_HTTP_PORT: '3', CHANCERY_LOG_LEVEL: 'error' },
      flags: { 'log-level': 'debug' },
    });
    expect([config?.xds.port, config?.http.port, config?.log.level, config?.guard.holdSeconds]).toEqual([
      1,
      3,
      'debug',
      30,
    ]);
    expect(['xds.port', 'http.port', 'log.level', 'guard.holdSeconds'].map((key) => origins.get(key))).toEqual([
      'chancery.yaml:2:7',
      'CHANCERY_HTTP_PORT',
      '--log-level',
      'default',
    ]);
  });

  it('gives every effective leaf exactly one origin', () => {
    const { config, origins } = resolve({
      file: file(`${consul}objects: [{kind: directory, path: o}]\nhttp: {hosts: [a, b]}\n`),
    });
    const leaves = (value: unknown, path: string[]): string[] =>
      value !== null && typeof value === 'object' && Object.keys(value).length > 0
        ? Object.entries(value).flatMap(([key, child]) => leaves(child, [...path, key]))
        : [path.join('.')];
    for (const leaf of leaves(config, [])) expect(origins.has(leaf), leaf).toBe(true);
  });

  it('reads lists, booleans and numbers from variables', () => {
    const { config } = resolve({
      environment: {
        CHANCERY_REGISTRIES: '[{kind: files, path: /srv}]',
        CHANCERY_HTTP_HOSTS: 'a, b',
        CHANCERY_XDS_INSECURE: 'true',
        CHANCERY_GUARD_HOLD_SECONDS: '1.5',
      },
    });
    expect(config).toMatchObject({
      registries: [{ kind: 'files', path: '/srv' }],
      http: { hosts: ['a', 'b'] },
      xds: { insecure: true },
      guard: { holdSeconds: 1.5 },
    });
  });

  it('sets an option of a named registry or object store by variable', () => {
    const yaml = file('registries: [{kind: consul, name: main}]\nobjects: [{kind: etcd}]\n');
    const { config, problems } = resolve({
      file: yaml,
      environment: {
        CHANCERY_REGISTRIES_MAIN_TOKEN_FILE: '/run/token',
        CHANCERY_OBJECTS_ETCD_ENDPOINTS: 'http://a:1,http://b:2',
      },
    });
    expect(problems).toEqual([]);
    expect(config).toMatchObject({
      registries: [{ tokenFile: '/run/token' }],
      objects: [{ endpoints: ['http://a:1', 'http://b:2'] }],
    });
  });

  it('falls back to what the machine says of Consul, etcd and ./objects', () => {
    const { config, origins } = resolve({
      environment: {
        CONSUL_HTTP_ADDR: 'consul:8500',
        CONSUL_HTTP_TOKEN: 's',
        ETCDCTL_ENDPOINTS: 'e1:2379,http://e2:2379',
      },
      objectsDirectory: true,
    });
    expect(config).toMatchObject({
      registries: [
        { kind: 'consul', address: 'http://consul:8500', token: 's' },
        { kind: 'etcd', endpoints: ['http://e1:2379', 'http://e2:2379'] },
      ],
      objects: [{ kind: 'directory', path: './objects' }],
    });
    expect(origins.get('registries.0.address')).toContain('CONSUL_HTTP_ADDR');
    expect(origins.get('objects.0.path')).toBe('./objects exists');
  });

  it('leaves the surroundings aside once registries are written', () => {
    const { config } = resolve({
      file: file('registries: [{kind: files}]\n'),
      environment: { CONSUL_HTTP_ADDR: 'consul:8500' },
    });
    expect(config?.registries).toEqual([{ kind: 'files', path: './services' }]);
  });
});

describe('mistakes', () => {
  it.each([
    [
      `${consul}xds:\n  prt: 1\n`,
      '[CH1603] key "xds.prt" is not known (chancery.yaml:3:3). Remove it or correct its spelling. Did you mean "port"?',
    ],
    [
      'registries:\n- kind: consul\n  adress: x\n',
      '[CH1603] key "registries.0.adress" is not known (chancery.yaml:3:3). Remove it or correct its spelling. Did you mean "address"?',
    ],
    [`${consul}reigstries: []\n`, 'Did you mean "registries"?'],
    [`${consul}xds: {port: ninety}\n`, '[CH1604] "xds.port" must be a number, not "ninety" (chancery.yaml:2:7)'],
    [`${consul}xds: {workers: 65}\n`, '"xds.workers" must be at most 64, not 65 (chancery.yaml:2:7)'],
    [`${consul}xds: {workers: 1.5}\n`, '"xds.workers" must be a whole number, not 1.5'],
    [`${consul}xds: {maxConnections: 0}\n`, '"xds.maxConnections" must be at least 1, not 0'],
    [`${consul}xds: {transport: grpc}\n`, '"xds.transport" must be one of http2, grpc-js, not "grpc"'],
    [`${consul}xds: {tls: {cert: a.pem}}\n`, '"xds.tls.key" is missing (chancery.yaml:2:7)'],
    [`${consul}xds: {tls: {cert: a.pem, key: a.key, clientCA: c}}\n`, 'Did you mean "clientCa"?'],
    [
      'registries: [{kind: zookeeper}]\n',
      '"registries.0.kind" must be one of consul, etcd, files, dns, dev, not "zookeeper" (chancery.yaml:1:15)',
    ],
    ['registries: [{kind: consul, token: 1234567}]\n', '"registries.0.token" must be a text (chancery.yaml'],
    [`${consul}xds: {port: 1\n`, '[CH1602]'],
    ['- a\n', '[CH1602] the file is not a mapping of keys to values (chancery.yaml:1:1)'],
    ['registries: [{kind: consul}, {kind: consul}]\n', '"registries.1" and "registries.0" are both named "consul"'],
    [
      `${consul}http: {address: 0.0.0.0}\n`,
      '[CH1613] http.address "0.0.0.0" is not loopback and TLS is not set (chancery.yaml:2:8)',
    ],
  ])('%j', (yaml, expected) => {
    const input = { file: file(yaml) };
    expect(texts(input).join('\n')).toContain(expected);
    expect(resolve(input).config).toBeUndefined();
  });

  it('names the variable or flag a bad value came from', () => {
    expect(texts({ file: file(consul), environment: { CHANCERY_XDS_PORT: 'x' } }).join()).toContain(
      'CHANCERY_XDS_PORT must be a number, not "x"',
    );
    expect(texts({ file: file(consul), flags: { 'xds-port': '70000' } }).join()).toContain('(from --xds-port)');
  });

  it('warns of a variable that is no key, without failing', () => {
    const input = { file: file(consul), environment: { CHANCERY_XDS_PROT: '1', CHANCERY_TOKEN: 'x' } };
    expect(texts(input)).toEqual([expect.stringContaining('Did you mean "CHANCERY_XDS_PORT"?')]);
    expect(resolve(input).config).toBeDefined();
  });

  it('says what to write where nothing is configured', () => {
    const [text] = texts({ objectsDirectory: true });
    expect(text).toContain('[CH1605]');
    expect(text).toContain('registries:\n    - {kind: consul');
  });

  it('needs no registry beside configured objects', () => {
    expect(resolve({ file: file('objects: [{kind: directory}]\n') }).config).toBeDefined();
  });

  it('takes TLS of the xDS port from variables and flags, and then another address', () => {
    const environment = { CHANCERY_XDS_TLS_CERT: '/c.pem', CHANCERY_XDS_TLS_CLIENT_CA: '/ca.pem' };
    const flags = { 'xds-tls-key': '/k.pem', 'xds-address': '0.0.0.0' };
    expect(resolve({ file: file(consul), environment, flags }).config?.xds).toMatchObject({
      address: '0.0.0.0',
      insecure: false,
      tls: { cert: '/c.pem', key: '/k.pem', clientCa: '/ca.pem', minVersion: '1.3' },
    });
    expect(texts({ file: file(consul), environment }).join()).toContain('"xds.tls.key"');
  });

  it('takes trust for TLS', () => {
    const { config, problems } = resolve({ file: file(`${consul}xds: {address: 0.0.0.0}\ntrust: {}\n`) });
    expect([config?.xds.address, problems]).toEqual(['0.0.0.0', []]);
  });

  it('accepts another address knowingly', () => {
    expect(resolve({ file: file(`${consul}xds: {address: 0.0.0.0, insecure: true}\n`) }).config?.xds.address).toBe(
      '0.0.0.0',
    );
  });
});
