// Command lines in, output and exit codes out; no process, no network.
import { describe, expect, it } from 'vitest';
import { statusText } from '../../../src/cli/commands/status.ts';
import { createProgram, runCommandLine } from '../../../src/cli/program.ts';
import { AppError } from '../../../src/util/errors.ts';
import { createFakeControl, edge, shop, status } from '../admin/fake-control.ts';
import { createFakeCli, type FakeIoOptions, type FakeServer } from './fake-io.ts';

const pem = '-----BEGIN CERTIFICATE-----\nQQ==\n-----END CERTIFICATE-----\n';

async function run(line: string, options: FakeIoOptions = {}) {
  const cli = createFakeCli(options);
  const code = await runCommandLine(
    line.split(' ').filter((word) => word !== ''),
    cli.deps,
  );
  return { code, out: cli.out(), err: cli.err(), served: cli.served, demos: cli.demos };
}

const consul = {
  'chancery.yaml': "registries: [{kind: consul, token: hush, address: 'http://me:hush@consul:8500'}]\n",
};

describe('help and usage', () => {
  it('shows an example on every page', () => {
    const { deps } = createFakeCli();
    const program = createProgram(deps, () => {});
    const pages = (target: typeof program): (typeof program)[] => [target, ...target.commands.flatMap(pages)];
    for (const page of pages(program)) {
      let text = '';
      page.configureOutput({ writeOut: (part) => (text += part) });
      page.outputHelp();
      expect(text, page.name()).toContain('$ chancery');
    }
  });

  it.each([
    ['', 0],
    ['--help', 0],
    ['status --help', 0],
    ['--version', 0],
    ['stauts', 64],
    ['status --watch', 64],
    ['status a b', 64],
    ['get', 64],
    ['apply', 64],
    ['completion tcsh', 64],
    ['status -o xml', 64],
    ['status --wait soon', 64],
    ['bootstrap web-1 --service web --gateway edge', 64],
    ['bootstrap web-1 --service web --upstream api', 64],
    ['bootstrap web-1 --xds nowhere', 64],
    ['bootstrap web-1 --rest --load-reports', 64],
    ['bootstrap web-1 --grpc --rest', 64],
    ['bootstrap web-1 --grpc --gateway edge', 64],
    ['bootstrap web-1 --grpc --upstream api=127.0.0.1:1', 64],
    ['bootstrap web-1 --grpc --service web --insecure', 0],
    ['bootstrap web-1 --insecure --xds-ca ca.pem', 64],
    ['bootstrap web-1 --insecure --join cj1.x.y', 64],
    ['serve --log-level loud', 64],
  ])('%j exits %d', async (line, code) => {
    const result = await run(line);
    expect(result.code).toBe(code);
    if (code === 64) expect(result.err).toMatch(/^error \[CH1601\] .+ docs: errors#CH1601\n$/);
    else expect(result.err).toBe('');
  });

  it('suggests the command and the option that was meant', async () => {
    expect((await run('stauts')).err).toContain('Did you mean "status"?');
    expect((await run('status --waitt')).err).toContain('--wait');
  });

  it('paints only where colours are wanted', async () => {
    expect((await run('stauts')).err).not.toContain('\x1b');
    expect((await run('stauts', { colour: true })).err).toContain('\x1b[31merror');
  });

  it.each(['bash', 'zsh', 'fish'])('completes in %s', async (shell) => {
    const { out, code } = await run(`completion ${shell}`);
    expect(code).toBe(0);
    for (const word of ['bootstrap', 'status', 'wait', 'translate', 'show']) expect(out).toContain(word);
  });
});

describe('what is printed', () => {
  it('is read by Envoy as it was meant: a node called n is no falsehood', async () => {
    expect((await run('bootstrap n --gateway on --insecure')).out).toContain('node:\n  id: "n"\n  cluster: "on"\n');
  });
});

describe('bootstrap without a credential', () => {
  it.each([
    ['edge-1', '--gateway edge-1 --node edge-1', 'edge-1 --gateway edge-1'],
    ['e --gateway edge --xds cp:1', '--gateway edge --node e', 'e --gateway edge --xds cp:1'],
    ['w --service web', '--service web --node w', 'w --service web'],
    ['w --service web --namespace a', '--service a/web --node w', 'w --service web --namespace a'],
    ['shop-1 --grpc --service shop', '--service shop', 'shop-1 --grpc --service shop --certificate'],
    ['shop-1 --grpc', '--service SERVICE', 'shop-1 --grpc --service SERVICE --certificate'],
  ])('prints nothing for %s, and says how to get one', async (line, token, join) => {
    const { code, out, err } = await run(`bootstrap ${line}`);
    expect([code, out]).toEqual([64, '']);
    expect(err).toContain('[CH1860]');
    expect(err).toContain(`\n  chancery token create ${token}\n  chancery bootstrap ${join} --`);
    expect(err).toContain('--join TOKEN');
  });

  it.each([
    ['the option', 'bootstrap e --insecure', {}],
    ['a variable', 'bootstrap e', { environment: { CHANCERY_XDS_INSECURE: 'true' } }],
    ['chancery.yaml', 'bootstrap e', { files: { 'chancery.yaml': 'xds: {insecure: true}\n' } }],
  ])('prints one in plaintext where %s says so', async (_, line, input) => {
    const { code, out } = await run(line, input);
    expect([code, out]).toEqual([0, expect.stringContaining('chancery')]);
    expect(out).not.toContain('tls');
  });

  it.each([
    ['the file says nothing of it', { files: { 'chancery.yaml': 'http: {address: 0.0.0.0}\n' } }],
    ['the file cannot be meant', { files: { 'chancery.yaml': 'xds: {insecure: true}\ntrust: {}\n' } }],
    ['the file cannot be read', { files: { 'chancery.yaml': 'xds: {insecure: true\n' } }],
  ])('prints none where %s', async (_, input) => {
    const { code, out } = await run('bootstrap e', input);
    expect([code, out]).toEqual([64, '']);
  });

  it('warns of what this machine has in use already, and prints it all the same', async () => {
    const used = { portsInUse: ['127.0.0.1:15001', '127.0.0.1:9901', '127.0.0.1:7000'] };
    const line = 'bootstrap web-1 --service web --insecure --admin 127.0.0.1:9901';
    const { code, out, err } = await run(line, used);
    expect([code, out]).toEqual([0, expect.stringContaining('node:')]);
    expect(err.match(/127[^ ]+ is in use|by --\w+/g)).toEqual([
      ...['127.0.0.1:9901 is in use', 'by --admin', '127.0.0.1:15001 is in use', 'by --outbound'],
    ]);
    expect((await run(`${line} --outbound 127.0.0.1:15002 --upstream api=127.0.0.1:7000`, used)).err).toMatch(
      /:9901 .*\n.*:7000 .*--upstream\n$/,
    );
    expect((await run('bootstrap edge-1 --gateway edge --insecure', used)).err).not.toContain('15001');
  });

  it('prints one for certificates of somebody else', async () => {
    const { code, out } = await run('bootstrap e --xds-ca /etc/ca.pem');
    expect([code, out]).toEqual([0, expect.stringContaining('/etc/ca.pem')]);
  });
});

describe('serve and config', () => {
  it('has trust, and none with --insecure', async () => {
    expect((await run('serve', { files: consul })).served[0]?.trust).toMatchObject({ root: { kind: 'files' } });
    expect((await run('serve --insecure', { files: consul })).served[0]?.trust).toBeUndefined();
  });

  it('says which of trust and --insecure to leave away', async () => {
    const files = { 'chancery.yaml': `${consul['chancery.yaml']}trust: {}\n` };
    const { code, err, served } = await run('serve --insecure', { files });
    expect([code, served]).toEqual([64, []]);
    expect(err).toMatch(/\[CH1859\].*--http-insecure/);
  });

  it('serves the file, with flags over it', async () => {
    const { code, served } = await run('serve --xds-port 1234 --insecure', { files: consul });
    expect(code).toBe(0);
    expect(served[0]).toMatchObject({
      xds: { port: 1234, insecure: true },
      http: { insecure: true },
      registries: [{ kind: 'consul' }],
    });
  });

  it('takes the file that -c or CHANCERY_CONFIG names', async () => {
    const files = { 'a.yaml': 'registries: [{kind: files}]\n' };
    expect((await run('serve -c a.yaml', { files })).served).toHaveLength(1);
    expect((await run('serve', { files, environment: { CHANCERY_CONFIG: 'a.yaml' } })).served).toHaveLength(1);
    const missing = await run('serve -c b.yaml', { files });
    expect([missing.code, missing.err]).toEqual([
      64,
      expect.stringContaining('[CH1602] configuration file "b.yaml" cannot be read'),
    ]);
  });

  it('says what to write when nothing is configured', async () => {
    const { code, err, served } = await run('serve');
    expect(code).toBe(64);
    expect(err).toContain('[CH1605]');
    expect(err).toContain('{kind: consul');
    expect(served).toEqual([]);
  });

  it('shows each value with its origin, and no secret', async () => {
    const options = { files: consul, environment: { CHANCERY_HTTP_PORT: '81' } };
    const { code, out } = await run('config show', options);
    expect(code).toBe(0);
    expect(out).toMatch(/^http\.port +81 +CHANCERY_HTTP_PORT$/m);
    expect(out).toMatch(/^registries\.0\.kind +consul +chancery\.yaml:1:15$/m);
    expect(out).toMatch(/^xds\.port +18000 +default$/m);
    for (const format of ['table', 'json', 'yaml']) {
      const shown = (await run(`config show -o ${format}`, options)).out;
      expect(shown).toContain('(redacted)');
      expect(shown).not.toContain('hush');
    }
  });
});

describe('the server side', () => {
  const control = createFakeControl();
  const server: FakeServer = ({ path, token }) => {
    if (path.endsWith('/api/v1/version')) return { body: { version: '1.2.0' } };
    if (token !== 't') return { status: 401, body: { code: 'CH1701', detail: 'no', hint: 'x' } };
    if (path.includes('/api/v1/objects')) return { body: control.objects() };
    if (path.includes('/api/v1/problems')) return { body: [] };
    if (path.endsWith('/api/v1/load')) return { body: control.load() };
    if (path.endsWith('/api/v1/proxies/edge-1/state')) return { body: { node: 'edge-1', resources: states } };
    return { body: status };
  };
  const environment = { CHANCERY_TOKEN: 't' };
  const states = [
    { type: 'CDS', name: 'cart', status: 'synced', version: '0123456789abcdef', held: '0123456789abcdef' },
    { type: 'CDS', name: 'api', status: 'error', version: 'fedcba9876543210', reason: 'no\ngood' },
  ];

  it.each(['status', 'get routes', 'apply -f -', 'watch', 'problems', 'delete Route x'])(
    '%s exits 2 when there is none',
    async (line) => {
      const { code, err } = await run(line, { stdin: 'x' });
      expect(code).toBe(2);
      expect(err).toContain('[CH1606] no answer from http://127.0.0.1:18080');
    },
  );

  it.each([
    ['https://localhost:1', 'ERR_SSL_WRONG_VERSION_NUMBER', 'does not speak TLS. Say http://localhost:1: '],
    [
      'http://localhost:1',
      'UND_ERR_SOCKET',
      'ended the connection without an answer. It speaks TLS (then say https:// and',
    ],
    ['http://localhost:1', 'ECONNRESET', 'or is the xDS port'],
  ])('names the scheme that does not fit: %s, %s', async (url, code, text) => {
    const cause = Object.assign(new Error('40BD:error:0A00010B'), { code });
    const server = () => {
      throw new TypeError('fetch failed', { cause });
    };
    const told = await run(`status --server ${url}`, { server });
    expect([told.code, told.err]).toEqual([2, expect.stringContaining(text)]);
    expect(told.err).not.toContain('0A00010B');
  });

  it('does not speak of the port of proxies where a server with an authority has no TLS', async () => {
    const secureServer = async () => {
      throw new AppError('CH1606', 'it does not speak TLS', { hint: 'Name the xDS port.' });
    };
    const { err } = await run('status --server https://cp:1 --ca ca.pem', { secureServer, files: { 'ca.pem': pem } });
    expect(err).toContain('https://cp:1 does not speak TLS. Say http://cp:1: ');
    expect(err).not.toContain('xDS');
  });

  it('says that a file of authorities is none, before anybody is asked', async () => {
    const { code, err } = await run('status --server https://cp:1 --ca ca.pem', { files: { 'ca.pem': 'a: yaml' } });
    expect([code, err]).toEqual([64, expect.stringContaining('"ca.pem" holds no certificate in PEM. Name with --ca')]);
  });

  it.each([
    ['token', '"?chancery token needs one of its commands: create, list, revoke. Run chancery token --help'],
    ['access create', "required option '--name <name>' not specified. Run chancery access create --help"],
    ['certs show', "missing required argument '\\w+'. Run chancery certs show --help"],
  ])('names the page of the command that was typed: %s', async (line, text) => {
    const { code, err } = await run(line);
    expect([code, err]).toEqual([64, expect.stringMatching(new RegExp(text))]);
  });

  it('exits 2 when the token is refused, and names no token', async () => {
    const { code, err } = await run('status', { server, environment: { CHANCERY_TOKEN: 'wrong' } });
    expect([code, err]).toEqual([1, expect.stringContaining('[CH1607]')]);
    expect(err).not.toContain('wrong');
  });

  it('finds server and token where serve puts them', async () => {
    const asked: string[] = [];
    const spy: FakeServer = (request) => {
      asked.push(`${request.path} ${request.token}`);
      return server(request);
    };
    await run('status', { server: spy, files: { '.chancery/token': 't\n', './.chancery/token': 't\n' } });
    await run('status', {
      server: spy,
      files: { 'chancery.yaml': 'state: /var/c\nhttp: {port: 99}\n', '/var/c/token': 't' },
    });
    await run('status', {
      server: spy,
      environment: { CHANCERY_STATE: '/s', CHANCERY_HTTP_PORT: '98' },
      files: { '/s/token': 't' },
    });
    await run('status --server http://cp:1/ --token-file /k', { server: spy, files: { '/k': 't' } });
    expect(asked).toEqual([
      '127.0.0.1:18080/api/v1/status t',
      '127.0.0.1:99/api/v1/status t',
      '127.0.0.1:98/api/v1/status t',
      'cp:1/api/v1/status t',
    ]);
  });

  it('prints the table of proxies', async () => {
    const { code, out } = await run('ps', { server, environment });
    expect(code).toBe(0);
    expect(out).toContain('PROXY   SERVICE  STATE   CDS  EDS  LDS  RDS  SDS  VERSION  SINCE');
    expect(out).toMatch(/^edge-1 {2}edge +SYNCED {2}ok +- +- +- +- +42 /m);
    expect(out).toContain('1 proxy: 1 synced    snapshot 42 from consul@8812');
  });

  it('prints how far a proxy is with each resource, and fails unless all are synced', async () => {
    const { code, out } = await run('status edge-1 --resources', { server, environment });
    expect(code).toBe(1);
    expect(out).toMatch(/^CDS +cart +synced +0123456789 +0123456789$/m);
    expect(out).toMatch(/^CDS +api +error +fedcba9876 +- +no good$/m);
    const json = await run('status edge-1 --resources -o json', { server, environment });
    expect(JSON.parse(json.out)).toMatchObject({ resources: states });
    expect((await run('status --resources', { server, environment })).code).toBe(64);
  });

  it('says of what there are no problems, and where refusals stand', async () => {
    const { code, out } = await run('problems', { server, environment });
    expect(code).toBe(0);
    expect(out).toBe('no problems in objects and registries; what a proxy refuses stands in `chancery status`\n');
  });

  it('names a proxy that never connected, and prints nothing else of it', async () => {
    const nobody = { status: 404, body: { code: 'CH1703', detail: 'no', hint: 'x' } };
    const asked: FakeServer = ({ path }) => (path.endsWith('/state') ? nobody : { body: status });
    for (const line of ['status nobody', 'status nobody --resources']) {
      const { code, out, err } = await run(line, { server: asked, environment });
      expect([code, out]).toEqual([1, '']);
      expect(err).toContain('[CH1703] proxy "nobody" has never connected. Run `chancery status` to see which have.');
    }
  });

  it('prints the load by cluster, by locality, and says when nobody reports any', async () => {
    expect((await run('load', { server, environment })).out).toMatch(/^cart +12\.5 +4\.0 +3 +0\.0 +1 +1000 +40$/m);
    expect((await run('load cart', { server, environment })).out).toMatch(/^eu +a +- +12\.5 +4\.0 /m);
    expect(JSON.parse((await run('load -o json', { server, environment })).out)).toEqual(control.load());
    expect(await run('load api', { server, environment })).toMatchObject({
      code: 1,
      err: expect.stringContaining('CH1703'),
    });
    const none = await run('load', { server: () => ({ body: [] }), environment });
    expect([none.code, none.out]).toEqual([0, expect.stringContaining('--load-reports')]);
  });

  it('tells what is refused, from which line, by how many, since when, in their words', () => {
    const at = { source: 'o', file: 'cart.yaml', line: 3, column: 1, object: 'Service default/cart' };
    const refusal = {
      ...{ type: 'CDS', name: 'cart', message: 'first\n  second', sinceMs: 1_000, proxies: 7 },
      ...{ nodes: ['a', 'b'], provenance: [at, at] },
    };
    expect(statusText({ ...status, refusals: [refusal] }, 241_000)).toContain(
      'refused for 4m: CDS cart from Service default/cart (cart.yaml:3:1) by 7 proxies (a, b, 5 more)\n  first second\n',
    );
    const taken = { ...refusal, message: "cannot bind '127.0.0.1:15001': Address already in use" };
    expect(statusText({ ...status, refusals: [taken] }, 241_000)).toContain(
      'in use\n  another program or proxy of that',
    );
  });

  it('tells refusals and absence apart', () => {
    const rejecting = {
      ...edge,
      node: 'api-1',
      state: 'rejecting' as const,
      note: 'LDS: duplicate address',
      types: { LDS: { state: 'rejected' as const, resources: 1, pushes: 2, rejections: 2 } },
    };
    const offline = { ...edge, node: 'old-1', state: 'offline' as const, types: {} };
    const text = statusText({ ...status, proxies: [rejecting, offline] }, 61_000);
    const shown = statusText({ ...status, proxies: [{ ...edge, certificateEndsMs: 61_000 + 7_200_000 }] }, 61_000);
    expect(shown).toMatch(/^edge-1 .* 2h /m);
    expect(text).toMatch(/^api-1 +edge +NACK +- +- +rej .* 1m .*LDS: duplicate address$/m);
    expect(text).toMatch(/^old-1 +edge +OFFLINE +- +- +- +- +- +42 /m);
    expect(text).toContain('2 proxies: 1 rejecting, 1 offline');
  });

  it.each([
    [
      { mtls: 'strict', withheld: 6, plaintext: 2, some: ['a/1', 'a/2'] },
      'strict: 6 instances without a sidecar get no requests: a/1, a/2 and 4 more\n',
    ],
    [
      { mtls: 'permissive', withheld: 0, plaintext: 1, some: ['a/1'] },
      'strict is not safe: 1 instance without a sidecar: a/1\n',
    ],
    [
      { mtls: 'off', withheld: 0, plaintext: 0, some: [] },
      'mtls is off; permissive is safe: it takes plaintext too. Every instance has a sidecar\n',
    ],
    [
      { mtls: 'permissive', withheld: 0, plaintext: 0, some: [] },
      'strict is safe where this stays 0:\n  sum by (service) (increase(envoy_http_downstream_rq_total{envoy_http_conn_manager_prefix=~"inbound_.*_plaintext"}[1d]) or increase(envoy_tcp_',
    ],
  ] as const)('says for whom strict is not safe: %j', (withoutSidecar, line) => {
    expect(statusText({ ...status, withoutSidecar }, 61_000)).toContain(line);
    expect(statusText(status, 61_000)).not.toContain('strict');
  });

  it('exits 1 when a proxy is not in sync, and waits when told to', async () => {
    let asked = 0;
    const slow: FakeServer = () => ({
      body: { ...status, proxies: ++asked < 3 ? [{ ...edge, state: 'pending' }] : [edge] },
    });
    expect((await run('status', { server: slow, environment })).code).toBe(1);
    const cli = createFakeCli({ server: slow, environment });
    const done = runCommandLine(['status', '--wait', '5s'], cli.deps);
    await cli.clock.advanceAsync(1_000);
    expect(await done).toBe(0);
  });

  it('gives up waiting at the deadline', async () => {
    const cli = createFakeCli({ environment, server: () => ({ body: { ...status, proxies: [] } }) });
    const done = runCommandLine(['status', '--wait', '2s'], cli.deps);
    await cli.clock.advanceAsync(2_500);
    expect(await done).toBe(1);
    expect(cli.err()).toContain('[CH1609] not in sync after 2s');
  });

  it('gets objects as table and as they were written', async () => {
    expect((await run('get routes', { server, environment })).out).toMatch(
      /^Route +chancery\/v1 +default +shop +shop\.yaml:1 \(objects\)$/m,
    );
    expect((await run('get Route shop -o yaml', { server, environment })).out).toBe(shop.text);
  });

  it('applies files, directories and standard input', async () => {
    const bodies: string[] = [];
    const applying: FakeServer = ({ body, path }) => {
      bodies.push(`${path} ${body}`);
      return { body: { objects: [{ object: 'Route default/shop', result: 'created' }], problems: [] } };
    };
    const files = { 'o/a.yaml': 'a: 1\n', 'o/b.json': '{}', 'o/readme.md': 'x' };
    const { out, code } = await run('apply -f o --dry-run', { server: applying, environment, files });
    expect([code, out]).toEqual([0, 'Route default/shop created (dry run)\n']);
    expect(bodies[0]).toContain('dryRun=true');
    expect(bodies[0]).toContain('# o/a.yaml\na: 1\n\n---\n# o/b.json\n{}');
    await run('apply -f -', { server: applying, environment, stdin: 'b: 2' });
    expect(bodies[1]?.endsWith(' b: 2')).toBe(true);
    expect((await run('apply -f none.yaml', { server: applying, environment })).err).toContain('[CH1608]');
  });

  it('exits 65 when objects were refused, with the problems', async () => {
    const problem = {
      code: 'CH1005',
      severity: 'error',
      message: 'weight must be a number',
      hint: 'Fix it.',
      path: '',
      at: { source: 's', file: 'a.yaml', line: 3, column: 5, object: 'Route default/shop' },
    };
    const refusing: FakeServer = () => ({
      status: 422,
      body: { code: 'CH1615', objects: [{ object: 'Route default/shop', result: 'refused' }], problems: [problem] },
    });
    const { code, out, err } = await run('apply -f -', { server: refusing, environment, stdin: 'x' });
    expect([code, out]).toEqual([65, 'Route default/shop refused\n']);
    expect(err).toBe(
      'error [CH1005] Route default/shop: weight must be a number (a.yaml:3:5). Fix it. docs: errors#CH1005\n',
    );
  });

  it('prints both versions, with and without a server', async () => {
    expect((await run('version', { server })).out).toBe('client 1.2.3\nserver 1.2.0\n');
    expect(await run('version')).toMatchObject({
      code: 0,
      out: 'client 1.2.3\nserver none at http://127.0.0.1:18080\n',
    });
  });

  it('prints events as lines', async () => {
    const events =
      'event: acked\ndata: {"kind":"acked","node":"edge-1","revision":7,"afterMs":3.25}\n\n: still here\n\n';
    const { out, code } = await run('watch', { environment, server: () => ({ body: events }) });
    expect(out).toMatch(/edge-1 acknowledged 7 after 3\.3 ms\n$/);
    expect(code).toBe(2);
  });

  it('starts the demo with its options', async () => {
    expect((await run('demo --check')).demos).toEqual([{ check: true }]);
  });
});
