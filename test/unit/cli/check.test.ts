// `chancery check` against a fake server and a fake Prometheus: every line, what is not known, exit codes.
import { describe, expect, it } from 'vitest';
import { plaintextQuery } from '../../../src/cli/plaintext-queries.ts';
import { runCommandLine } from '../../../src/cli/program.ts';
import type { ControlStatus } from '../../../src/control/contract.ts';
import { createProblem } from '../../../src/model/problem.ts';
import { edge, status } from '../admin/fake-control.ts';
import { createFakeCli, type FakeIoOptions } from './fake-io.ts';

const hour = 3_600_000;
const day = 24 * hour;
const now = createFakeCli().clock.wall();
const at = { source: 'o', file: 'shop.yaml', line: 3, column: 1, object: 'Route default/shop' };
const sidecar = { ...edge, node: 'api-1', role: 'sidecar' as const, service: 'api' };
const good: ControlStatus = {
  ...status,
  proxies: [edge, sidecar],
  services: [
    { id: 'api', healthy: 2, warning: 0, critical: 0, sidecars: 2 },
    { id: 'legacy', healthy: 1, warning: 0, critical: 0, sidecars: 0, tls: 'none' },
  ],
  withoutSidecar: { mtls: 'permissive', withheld: 0, plaintext: 0, some: [] },
  certificatesHoldMs: now + 5 * hour,
};
const leaf = {
  node: 'api-1',
  spiffeId: 's',
  serial: '1',
  root: 'r',
  notAfterMs: now + 5 * hour,
  renewAtMs: now + hour,
};
const root = { keyId: '0123456789abcdef', notAfterMs: now + 400 * day, signs: true };
const trust = { generation: 1, roots: [root], rotation: { phase: 'steady' }, certificates: [leaf] };

type Series = readonly (readonly [Record<string, string>, number | string])[];

/** What Prometheus answers to the queries of calls in plaintext, of own TLS, of who counts, and who did before. */
interface Counted {
  readonly plaintext?: Series;
  readonly tls?: Series;
  readonly counting?: Series;
  readonly before?: Series;
}
const both: Series = ['api-1', 'api-2'].map((proxy) => [{ service: 'api', proxy }, 1] as const);
const seen: Counted = { counting: both, before: [[{ service: 'api' }, 2]] };

function vector(series: Series = []): object {
  const result = series.map(([metric, value]) => ({ metric, value: [1, String(value)] }));
  return { status: 'success', data: { resultType: 'vector', result } };
}

interface World extends Omit<FakeIoOptions, 'server'> {
  readonly status?: Partial<ControlStatus>;
  readonly trust?: object | undefined;
  readonly prometheus?: Counted | { readonly status?: number; readonly body: unknown } | Error;
}

async function check(args: string, world: World = {}) {
  const asked: string[] = [];
  const cli = createFakeCli({
    environment: { CHANCERY_TOKEN: 'hush' },
    ...world,
    server: ({ path, token }) => {
      if (path.endsWith('/api/v1/status')) return { body: { ...good, ...world.status } };
      if (path.endsWith('/api/v1/trust/certificates')) {
        if ('trust' in world && world.trust === undefined)
          return { status: 409, body: { code: 'CH1856', detail: 'none', hint: '' } };
        return { body: { ...trust, ...world.trust } };
      }
      asked.push(path);
      expect(token).toBeUndefined();
      const answer = world.prometheus ?? seen;
      if (answer instanceof Error) throw answer;
      if ('body' in answer) return answer;
      const query = new URL(`http://${path}`).searchParams.get('query') ?? '';
      if (query.startsWith('count by (service, proxy)')) return { body: vector(answer.counting) };
      if (query.startsWith('count by (service) ')) return { body: vector(answer.before) };
      return { body: vector(query.includes('_plaintext') ? answer.plaintext : answer.tls) };
    },
  });
  const code = await runCommandLine(['check', ...args.split(' ').filter((word) => word !== '')], cli.deps);
  return { code, out: cli.out(), err: cli.err(), asked };
}

const ask = '--prometheus http://prom:9090';

describe('chancery check', () => {
  it('says of a mesh that is well a line a check, and how to learn whether strict is safe', async () => {
    const { code, out, asked } = await check('');
    expect([code, asked]).toEqual([0, []]);
    expect(out.split('\n').map((line) => line.slice(0, 5).trim())).toEqual([...Array(10).fill('ok'), 'warn', '']);
    expect(out).toContain('ok    certificates: they hold until ');
    expect(out).toContain('ok    mutual TLS: permissive; modes of their own: 1 service (legacy: none)\n');
    expect(out).toContain('warn  strict: not known from here: ');
    expect(out).toContain(plaintextQuery('1d'));
  });

  it.each<readonly [string, number, World]>([
    [
      'FAIL  server: http://127.0.0.1:18080 is not ready: it waits for consul. Next: ',
      1,
      { status: { ready: false, waitingFor: ['consul'] } },
    ],
    [
      'warn  registries: consul: no leader; what was known last is served. Next: chancery problems',
      0,
      {
        status: {
          sources: [
            {
              name: 'consul',
              kind: 'consul',
              revision: '1',
              complete: true,
              degraded: { kind: 'partial', reason: 'no leader' },
            },
          ],
        },
      },
    ],
    [
      'warn  registries: consul is held at last good: shrank',
      0,
      { status: { held: [{ source: 'consul', reason: 'shrank', untilMs: 0 }] } },
    ],
    [
      'FAIL  objects: 1 error: [CH1004] Route default/shop: typo',
      1,
      { status: { problems: [createProblem('CH1004', at, 'typo')] } },
    ],
    [
      'warn  objects: 1 warning: [CH1004]',
      0,
      { status: { problems: [createProblem('CH1004', at, 'typo', { severity: 'warning' })] } },
    ],
    [
      'warn  edge certificates: 1 warning: [CH1240]',
      0,
      { status: { problems: [createProblem('CH1240', at, 'soon', { severity: 'warning' })] } },
    ],
    [
      'FAIL  proxies: 1 of 2 in sync; 1 proxy (api-1) refusing what is sent. Next: chancery status',
      1,
      { status: { proxies: [edge, { ...sidecar, state: 'rejecting' }] } },
    ],
    [
      'warn  proxies: 1 of 2 in sync; 1 proxy (api-1) offline',
      0,
      { status: { proxies: [edge, { ...sidecar, state: 'offline' }] } },
    ],
    ['warn  proxies: none has connected', 0, { status: { proxies: [] } }],
    [
      'warn  node credentials: less than a quarter of its life is left to that of 1 proxy (api-1)',
      0,
      { status: { proxies: [{ ...sidecar, credentialEndsMs: now + hour }] } },
    ],
    [
      'warn  certificates: that of 1 proxy (api-1) should have been renewed; they hold until',
      0,
      { trust: { certificates: [{ ...leaf, renewAtMs: now - 61_000 }] } },
    ],
    [
      'FAIL  certificates: that of 1 proxy (api-1) ended',
      1,
      { trust: { certificates: [{ ...leaf, notAfterMs: now - 1 }] } },
    ],
    ['warn  root: 0123456789 signs until ', 0, { trust: { roots: [{ ...root, notAfterMs: now + 20 * day }] } }],
    ['FAIL  root: 0123456789 signs until ', 1, { trust: { roots: [{ ...root, notAfterMs: now - 1 }] } }],
    [
      'a rotation is in phase promote, waits for proxies. Next: bring back',
      0,
      { trust: { rotation: { phase: 'promote', waitsFor: 'proxies' } } },
    ],
    ['; how far a rotation is, is not known', 0, { trust: { rotation: { phase: 'unknown' } } }],
    [
      'FAIL  sidecars: 2 instances without one, withheld: a/1',
      1,
      { status: { withoutSidecar: { mtls: 'strict', withheld: 2, plaintext: 0, some: ['a/1'] } } },
    ],
    [
      'warn  strict: is not safe: 3 instances without a sidecar. Next: ',
      0,
      { status: { withoutSidecar: { mtls: 'permissive', withheld: 0, plaintext: 3, some: ['a/1'] } } },
    ],
    ['ok    strict: on', 0, { status: { withoutSidecar: { mtls: 'strict', withheld: 0, plaintext: 0, some: [] } } }],
    [
      'ok    permissive: is safe',
      0,
      { status: { withoutSidecar: { mtls: 'off', withheld: 0, plaintext: 0, some: [] } } },
    ],
    [
      'warn  permissive: is not safe yet: 1 proxy (api-1) not in sync',
      0,
      {
        status: {
          withoutSidecar: { mtls: 'off', withheld: 0, plaintext: 0, some: [] },
          proxies: [{ ...sidecar, state: 'offline' }],
        },
      },
    ],
  ])('says: %s', async (line, code, world) => {
    const result = await check('', world);
    expect(result.out).toContain(line);
    expect(result.code).toBe(code);
  });

  it('knows a mesh without certificates', async () => {
    const { withoutSidecar: _, certificatesHoldMs: __, ...plain } = good;
    const cli = await check('', {
      status: { ...plain, withoutSidecar: undefined } as unknown as ControlStatus,
      trust: undefined,
    });
    expect([cli.code, cli.err]).toEqual([0, '']);
    expect(cli.out).toContain('warn  mutual TLS: none');
    expect(cli.out).not.toContain('strict');
  });

  it('shows no terminal what others chose', async () => {
    const { out } = await check('', { status: { proxies: [{ ...sidecar, node: 'a\n\x1b[2J', state: 'offline' }] } });
    expect(out).toContain('(a\\x0a\\x1b[2J)');
    expect((await check('', { colour: true })).out).toContain('\x1b[32mok\x1b[0m');
  });

  it('gives the same as JSON', async () => {
    const { checks, result } = JSON.parse((await check(`${ask} -o json`)).out) as { checks: object[]; result: string };
    expect(result).toBe('ok');
    expect(checks.at(-1)).toEqual({
      check: 'strict',
      result: 'ok',
      message: 'is safe: no request in plaintext to any of 2 sidecars in 1d',
    });
    expect((await check('-o yaml')).out).toMatch(/^result: warn\nchecks:\n {2}- check: server\n/);
  });

  it('exits 2 where there is no server', async () => {
    const cli = createFakeCli();
    expect([await runCommandLine(['check'], cli.deps), cli.out(), cli.err()]).toEqual([
      2,
      '',
      expect.stringContaining('[CH1606]'),
    ]);
  });
});

describe('whether strict is safe, by what Prometheus counted', () => {
  it.each<readonly [message: string, prometheus: Counted, changed: Partial<ControlStatus>]>([
    ['is not safe: plaintext to api (132 in 1d)', { ...seen, plaintext: [[{ service: 'api' }, 131.7]] }, {}],
    ['is not safe: plaintext to api (1 in 1d)', { ...seen, plaintext: [[{ service: 'api' }, 0.2]] }, {}],
    ['plaintext to a service without a name (4 in 1d)', { ...seen, plaintext: [[{}, 4]] }, {}],
    ['is not safe: TLS that is not of the mesh to api (3 in 1d)', { ...seen, tls: [[{ service: 'api' }, 3]] }, {}],
    ['is not safe: 1 proxy (edge-1) not in sync', seen, { proxies: [{ ...edge, state: 'pending' }, sidecar] }],
    ['not known: it has no such time series, of no sidecar', { before: [[{ service: 'api' }, 2]] }, {}],
    ['not known: it counts too few sidecars: 1 of 2 of api. ', { ...seen, counting: both.slice(0, 1) }, {}],
    ['not known: it counts too few sidecars: 1 of 2 of api (not api-1)', { ...seen, counting: both.slice(1) }, {}],
    ['1 of 2 of api', { ...seen, counting: [...both.slice(0, 1), [{ service: 'api' }, 1]] }, {}],
    ['not known: nothing was counted yet 1d ago for api', { ...seen, before: [] }, {}],
    ['not known: there is no sidecar that could count', seen, { services: [] }],
  ])('FAIL %s', async (message, prometheus, changed) => {
    const { code, out } = await check(ask, { prometheus, status: changed });
    expect(code).toBe(1);
    expect(out).toMatch(/^FAIL {2}strict: .*\. Next: /m);
    expect(out).toContain(message);
  });

  it('counts nobody who keeps plaintext under strict, or is gone', async () => {
    const plaintext: Series = [
      [{ service: 'legacy' }, 9],
      [{ service: 'gone' }, 9],
    ];
    const { code, out, asked } = await check(ask, { prometheus: { ...seen, plaintext } });
    expect([code, out]).toEqual([
      0,
      expect.stringContaining('ok    strict: is safe: no request in plaintext to any of 2 sidecars in 1d\n'),
    ]);
    expect(asked).toHaveLength(4);
    for (const path of asked) expect(path).toMatch(/^prom:9090\/api\/v1\/query\?query=/);
  });

  it('asks for the time that was said, where a variable says, and only where it matters', async () => {
    const environment = { CHANCERY_PROMETHEUS: 'prom:9090/behind/' };
    const { asked, out } = await check('--since 2h', { environment });
    expect(out).toContain('in 2h\n');
    for (const path of asked) expect(path).toMatch(/^prom:9090\/behind\/api\/v1\/query/);
    expect(asked.filter((path) => path.includes(encodeURIComponent('[7200s]')))).toHaveLength(2);
    const strict = { mtls: 'strict', withheld: 0, plaintext: 0, some: [] } as const;
    expect((await check('', { environment, status: { withoutSidecar: strict } })).asked).toEqual([]);
  });

  it.each<readonly [string, NonNullable<World['prometheus']>]>([
    ['[CH1861] no answer from http://prom:9090', new TypeError('fetch failed')],
    ['[CH1862] http://prom:9090: it answered 404', { status: 404, body: 'no' }],
    ['[CH1862] http://prom:9090: parse error', { status: 400, body: { status: 'error', error: 'parse error' } }],
    ['[CH1862] http://prom:9090: it answered 200, and not as Prometheus does', { body: '<html>' }],
    ['the answer is no vector', { body: { status: 'success', data: { resultType: 'matrix', result: [] } } }],
    [
      '"value":[1]} is no count',
      { body: { status: 'success', data: { resultType: 'vector', result: [{ value: [1] }] } } },
    ],
    ['the answer may lack a part: ["store gone"]', { body: { ...vector(), warnings: ['store gone'] } }],
    ['"NaN"]} is no count', { ...seen, plaintext: [[{ service: 'api' }, 'NaN']] }],
  ])('does not know: %s', async (why, prometheus) => {
    const { code, out } = await check(ask, { prometheus });
    expect(code).toBe(1);
    expect(out).toContain('FAIL  strict: not known: ');
    expect(out).toContain(why);
    expect(out).toContain('ok    server: ');
  });

  it.each([
    '--since soon',
    '--since 0s',
    '--prometheus ftp://prom',
    '--prometheus http://me:hush@prom',
    '--prometheus http://',
  ])('refuses %s', async (args) => {
    const { code, out, err } = await check(args);
    expect([code, out]).toEqual([64, '']);
    expect(err).toContain('[CH1601]');
    expect(err).not.toContain('hush');
  });
});
