// The `trust` section: on by default, every key can be set from every layer, and what cannot be meant is refused.
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { configKeys, configSchema, environmentName, flagName } from '../../../src/model/config.ts';
import { type ConfigInput, resolveConfig } from '../../../src/model/config-layers.ts';
import { joinStorePlace, rootFolder, rootSecretFiles } from '../../../src/model/config-trust.ts';
import { problemText } from '../../../src/model/problem.ts';

const registries = 'registries: [{kind: files}]\n';
const resolve = (trust: string, input: Partial<ConfigInput> = {}) =>
  resolveConfig({
    ...{ environment: {}, flags: {}, objectsDirectory: false },
    file: { path: 'chancery.yaml', text: `${registries}${trust}` },
    ...input,
  });
const trustOf = (trust: string, input: Partial<ConfigInput> = {}) => {
  const { config, problems } = resolve(trust, input);
  expect(problems).toEqual([]);
  return config?.trust ?? expect.fail('there is no trust section');
};

const sealed = 'trust: {root: {kind: sealed, store: {kind: etcd}, key: {file: /run/kek}}}\n';
const issuerFiles = 'kind: issuer-files, certificateFile: /c, privateKeyFile: /k, rootsFile: /r';
const defaults = {
  domain: 'service.local',
  root: { kind: 'files' },
  leafMinutes: 1440,
  nodeTokenDays: 30,
  authenticate: { certificates: true, tokens: true },
  names: ['localhost', '127.0.0.1', '::1'],
};

const pinned = `fingerprint: ${'ab'.repeat(32)}`;
describe('trust', () => {
  it('is on where nobody says otherwise, and every key of it has an origin', () => {
    expect(trustOf('')).toEqual(defaults);
    expect(resolve('').origins.get('trust.domain')).toBe('default');
    expect(trustOf('xds: {address: 0.0.0.0}\n')).toEqual(defaults);
  });

  it.each<[string, string, Partial<ConfigInput>]>([
    ['the file', 'xds: {insecure: true}\n', {}],
    ['a variable', '', { environment: { CHANCERY_XDS_INSECURE: 'true' } }],
    ['a flag', '', { flags: { 'xds-insecure': true } }],
    ['certificates of somebody else for the port', 'xds: {tls: {cert: /c, key: /k, clientCa: /a}}\n', {}],
  ])('is off by %s', (_, text, input) => {
    const { config, problems } = resolve(text, input);
    expect(problems).toEqual([]);
    expect(config).not.toHaveProperty('trust');
  });

  it('stays on beside plaintext of the HTTP API, and beside certificates where it is written', () => {
    expect(trustOf('http: {address: 0.0.0.0, insecure: true}\n')).toEqual(defaults);
    expect(trustOf('xds: {tls: {cert: /c, key: /k}}\ntrust: {}\n')).toEqual(defaults);
  });

  it.each<[string, Partial<ConfigInput>, string]>([
    ['trust: {}\nxds: {insecure: true}\n', {}, 'chancery.yaml:3:7'],
    ['trust: {}\n', { flags: { 'xds-insecure': true } }, '--xds-insecure'],
    [
      '',
      { environment: { CHANCERY_XDS_INSECURE: 'true', CHANCERY_TRUST_DOMAIN: 'a.example' } },
      'CHANCERY_XDS_INSECURE',
    ],
  ])('is not written beside insecure: %j %j', (text, input, origin) => {
    const { config, problems } = resolve(text, input);
    expect(config).toBeUndefined();
    expect(problems.map(({ code }) => code)).toEqual(['CH1859']);
    expect(problemText(problems[0] ?? expect.fail('no problem'))).toContain(origin);
  });

  it('needs no key', () => {
    expect(trustOf('trust: {}\n')).toEqual(defaults);
  });

  it.each([
    ['trust: {}\n', '/var/c', '/var/c/ca', { kind: 'files', path: '/var/c/trust' }],
    ['trust: {}\n', './.chancery/', './.chancery/ca', { kind: 'files', path: './.chancery/trust' }],
    [
      'trust: {root: {kind: files, path: /k}, joinStore: {kind: files, path: /j}}\n',
      '/s',
      '/k',
      { kind: 'files', path: '/j' },
    ],
    [sealed, '/s', undefined, { kind: 'etcd', endpoints: ['http://127.0.0.1:2379'], prefix: '/chancery/trust/' }],
    [
      'trust: {root: {kind: sealed, store: {kind: etcd}, key: {env: KEK}}, joinStore: {kind: consul}}\n',
      '/s',
      undefined,
      { kind: 'consul', address: 'http://127.0.0.1:8500', prefix: 'chancery/trust/' },
    ],
  ])('says where things lie: %s in %s', (text, state, folder, place) => {
    const trust = trustOf(text);
    expect(trust.root.kind === 'files' ? rootFolder(trust.root.path, state) : undefined).toBe(folder);
    expect(joinStorePlace(trust, state)).toEqual(place);
  });

  it('is set by variables and flags alone, of one kind of root or the other', () => {
    const environment = {
      CHANCERY_TRUST_ROOT_KIND: 'sealed',
      CHANCERY_TRUST_ROOT_STORE_KIND: 'consul',
      CHANCERY_TRUST_ROOT_STORE_TOKEN_FILE: '/run/consul',
      CHANCERY_TRUST_ROOT_KEY_COMMAND: 'vault, read, kek',
      CHANCERY_TRUST_AUTHENTICATE_OIDC_JWKS_FILE: '/etc/jwks.json',
      CHANCERY_TRUST_AUTHENTICATE_OIDC_ISSUER: 'https://issuer',
      CHANCERY_TRUST_AUTHENTICATE_OIDC_AUDIENCE: 'chancery',
      CHANCERY_TRUST_AUTHENTICATE_OIDC_RULES: '[{subject: "{name}", services: ["{name}"]}]',
    };
    const flags = { 'trust-leaf-minutes': '60', 'trust-authenticate-tokens': false, 'trust-names': 'plane.internal' };
    expect(trustOf('', { environment, flags })).toMatchObject({
      root: {
        kind: 'sealed',
        store: { kind: 'consul', tokenFile: '/run/consul', prefix: 'chancery/trust/' },
        key: { command: ['vault', 'read', 'kek'] },
      },
      leafMinutes: 60,
      names: ['plane.internal'],
      authenticate: {
        certificates: true,
        tokens: false,
        oidc: { jwksFile: '/etc/jwks.json', rules: [{ subject: '{name}', services: ['{name}'] }] },
      },
    });
    expect(trustOf('', { flags: { 'trust-root-kind': 'files', 'trust-root-path': '/k' } }).root).toEqual({
      kind: 'files',
      path: '/k',
    });
  });

  it('takes an authority that is given in files, and one seal key for all replicas that share what is sealed', () => {
    const given = { kind: 'issuer-files', certificateFile: '/c', privateKeyFile: '/k', rootsFile: '/r' };
    expect(trustOf(`trust: {root: {${issuerFiles}}}\n`).root).toEqual(given);
    const shared = trustOf(`trust: {root: {${issuerFiles}, sealKey: {env: SEAL}}, joinStore: {kind: etcd}}\n`);
    expect(shared.root).toEqual({ ...given, sealKey: { env: 'SEAL' } });
  });

  it('has Connect issue certificates beside any root, with a token by file only', () => {
    expect(trustOf('trust: {connect: {}}\n')).toMatchObject({
      root: { kind: 'files' },
      connect: { address: 'http://127.0.0.1:8500', datacenter: 'dc1' },
    });
    const environment = { CHANCERY_TRUST_CONNECT_TOKEN_FILE: '/t', CHANCERY_TRUST_CONNECT_DATACENTER: 'eu-1' };
    expect(trustOf('', { environment }).connect).toMatchObject({ tokenFile: '/t', datacenter: 'eu-1' });
  });

  it('comes back as it was written', () => {
    const full = {
      ...defaults,
      root: {
        kind: 'sealed',
        store: { kind: 'consul', address: 'https://consul:8501', tokenFile: '/t', prefix: 'p/' },
        key: { env: 'KEK' },
      },
      joinStore: { kind: 'files', path: '/j' },
      authenticate: {
        certificates: false,
        tokens: true,
        consul: { address: 'http://consul:8500', datacenter: 'dc1' },
        oidc: { jwksFile: '/j', issuer: 'i', audience: 'a', rules: [{ subject: 's', gateways: ['g'] }] },
      },
    };
    expect(trustOf(stringify({ trust: full }))).toEqual(full);
    const { config } = resolve(sealed);
    expect(configSchema.parse(config)).toEqual(config);
  });

  it('keeps the root with Vault or step-ca, and names the files that hold a secret', () => {
    const sealKey = { file: '/seal' };
    const vault = { kind: 'vault', address: 'https://v', mount: 'pki', token: { file: '/token' }, sealKey };
    const provisioner = { name: 'mesh', certificateFile: '/c', privateKeyFile: '/p' };
    const stepCa = { kind: 'step-ca', address: 'https://c', fingerprint: 'ab'.repeat(32), provisioner };
    for (const [root, secrets] of [
      [vault, ['/seal', '/token']],
      [stepCa, ['/p']],
      [{ ...stepCa, provisioner: { name: 'mesh', jwkFile: '/k' } }, ['/k']],
    ] as const) {
      const trust = trustOf(stringify({ trust: { root } }));
      expect(trust.root).toEqual(root);
      expect(rootSecretFiles(trust, '/state')).toEqual(secrets);
    }
  });

  it('has a flag and a variable for each key, once, with the choices of each kind', () => {
    const keys = configKeys().filter(({ path }) => path[0] === 'trust');
    const names = keys.map(({ path }) => flagName(path));
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(
      expect.arrayContaining(['trust-root-kind', 'trust-root-path', 'trust-root-key-env', 'trust-join-store-prefix']),
    );
    const kind = keys.find(({ path }) => path.join('.') === 'trust.joinStore.kind');
    expect(kind).toMatchObject({ type: 'string', choices: ['files', 'etcd', 'consul'] });
    expect(keys.filter(({ description }) => description === '').map(({ path }) => path.join('.'))).toEqual([]);
  });

  it('T21: takes no secret but as file, variable or command', () => {
    const keys = configKeys().filter(({ path }) => path[0] === 'trust');
    const secrets = keys.filter(({ path }) => /^(token|password|secret|key)$/i.test(path.at(-1) ?? ''));
    expect(secrets.map(({ path }) => environmentName(path))).toEqual([]);
    for (const text of [
      'trust: {root: {kind: sealed, store: {kind: consul, token: canary-1}, key: {env: K}}}\n',
      'trust: {joinStore: {kind: etcd, password: canary-1}}\n',
    ]) {
      const { config, problems } = resolve(text);
      expect(config).toBeUndefined();
      expect(problems.map(problemText).join()).toContain('CH1603');
      expect(problems.map(problemText).join()).not.toContain('canary-1');
    }
  });

  it.each([
    ['trust: {connect: {datacenter: DC1}}\n', '"trust.connect.datacenter" does not fit: lower-case letters'],
    ['trust: {connect: {token: canary}}\n', 'key "trust.connect.token" is not known'],
    ['trust: {leafMinutes: 4}\n', '"trust.leafMinutes" must be at least 5, not 4'],
    ['trust: {nodeTokenDays: 0}\n', '"trust.nodeTokenDays"'],
    ['trust: {domain: Mesh}\n', '"trust.domain" does not fit: lower-case letters'],
    ['trust: {names: []}\n', '"trust.names"'],
    ['trust: {root: {kind: kms}}\n', '"trust.root.kind" must be one of files, sealed, '],
    [`trust: {root: {${issuerFiles}}, joinStore: {kind: etcd}}\n`, 'they need one sealKey'],
    [
      'trust: {root: {kind: issuer-files, certificateFile: /c, rootsFile: /r}}\n',
      '"trust.root.privateKeyFile" is missing',
    ],
    ['trust: {root: {kind: vault, token: {env: T}}}\n', '"trust.root.address" is missing'],
    ['trust: {root: {kind: vault, address: "ftp://v", token: {env: T}}}\n', '"trust.root.address"'],
    ['trust: {root: {kind: vault, address: "https://v"}}\n', '"trust.root.token" is missing'],
    ['trust: {root: {kind: vault, address: "https://v", token: {file: /t, env: T}}}\n', 'name one of file, env'],
    ['trust: {root: {kind: vault, address: "https://v", token: {env: T}}, joinStore: {kind: consul}}\n', 'one sealKey'],
    [`trust: {root: {kind: step-ca, address: "http://c", ${pinned}}}\n`, '"trust.root.address"'],
    [
      'trust: {root: {kind: step-ca, address: "https://c", provisioner: {name: a, jwkFile: /k}}}\n',
      '"trust.root.fingerprint"',
    ],
    [
      `trust: {root: {kind: step-ca, address: "https://c", ${pinned}, provisioner: {name: a}}}\n`,
      'name either jwkFile',
    ],
    [
      `trust: {root: {kind: step-ca, address: "https://c", ${pinned}, provisioner: {name: a, jwkFile: /k, privateKeyFile: /p}}}\n`,
      'name either jwkFile',
    ],
    ['trust: {root: {kind: files, store: {kind: etcd}}}\n', 'key "trust.root.store" is not known'],
    ['trust: {root: {kind: sealed, key: {file: /k}}}\n', '"trust.root.store" is missing'],
    ['trust: {root: {kind: sealed, store: {kind: etcd}}}\n', '"trust.root.key" is missing'],
    ['trust: {root: {kind: sealed, store: {kind: etcd}, key: {}}}\n', 'name one of file, env and command'],
    [
      'trust: {root: {kind: sealed, store: {kind: etcd}, key: {file: /k, env: K}}}\n',
      'name one of file, env and command',
    ],
    ['trust: {authenticate: {certificates: false, tokens: false}}\n', 'nothing is believed'],
    [
      'trust: {authenticate: {oidc: {issuer: i, audience: a, rules: [{subject: s}]}}}\n',
      '"trust.authenticate.oidc.jwksFile" is missing',
    ],
    [
      'trust: {authenticate: {oidc: {jwksFile: j, issuer: i, audience: a, rules: []}}}\n',
      '"trust.authenticate.oidc.rules"',
    ],
    ['trust: {leafMinute: 60}\n', 'Did you mean "leafMinutes"?'],
  ])('refuses %j', (text, expected) => {
    const { config, problems } = resolve(text);
    expect(problems.map(problemText).join('\n')).toContain(expected);
    expect(config).toBeUndefined();
  });
});
