// The HTTP API of the real program over TLS with the certificate of its own authority: the command
// line knows the server by its authority, and roles hold from the making of a token to its end.
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { credentials, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSecureRequests } from '../../src/cli/secure-request.ts';
import { createSystemClock } from '../../src/util/system-clock.ts';
import { call, type ServiceCall } from '../conformance/xds/service-client.ts';
import { eventuallyPasses } from '../support/eventually.ts';
import { freePorts } from '../support/free-port.ts';
import { type RunningProcess, startProcess } from '../support/process.ts';
import { createTempDir, type TempDir } from '../support/temp-dir.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

describe('the API over TLS', () => {
  let place: TempDir;
  let running: RunningProcess;
  let config: string;
  let url: string;
  let ca: string;
  let xdsPort: number;
  const said: string[] = [];

  interface Ran {
    readonly code: number;
    readonly out: string;
    readonly err: string;
  }

  function cli(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Ran> {
    const env = { PATH: process.env['PATH'] ?? '', HOME: place.path, NO_COLOR: '1', ...environment };
    return new Promise((resolve) => {
      execFile(process.execPath, [main, ...args], { env, cwd: place.path }, (error, out, err) => {
        said.push(err);
        resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 1, out, err });
      });
    });
  }

  beforeAll(async () => {
    place = createTempDir('api-doors');
    const [xds = 0, http = 0] = await freePorts(2);
    xdsPort = xds;
    const objects = join(place.path, 'objects.yaml');
    writeFileSync(objects, '{apiVersion: chancery/v1, kind: Service, metadata: {name: web}}\n');
    mkdirSync(join(place.path, 'objects'));
    config = join(place.path, 'chancery.yaml');
    writeFileSync(
      config,
      JSON.stringify({
        ...{ state: join(place.path, 'state'), trust: {}, xds: { port: xds } },
        http: { port: http, tls: { issuer: 'mesh' } },
        registries: [{ kind: 'dev', port: 0 }],
        objects: [{ kind: 'directory', path: join(place.path, 'objects') }],
      }),
    );
    running = await startProcess('chancery', [process.execPath, main, 'serve', '-c', config]);
    url = `https://127.0.0.1:${http}`;
    await eventuallyPasses(async () => expect((await cli(['version'])).out).toMatch(/server \d/), {
      deadlineMs: 30_000,
    });
    ca = join(place.path, 'ca.pem');
    copyFileSync(join(place.path, 'state/xds/roots.pem'), ca);
  }, 60_000);
  afterAll(async () => {
    await running?.stop();
    place?.remove();
  });

  it('is asked by the command line where it runs, and from elsewhere by the authority that is named', async () => {
    expect(await cli(['problems'])).toMatchObject({ code: 0 });
    const elsewhere = { CHANCERY_CONFIG: join(place.path, 'none.yaml'), CHANCERY_SERVER: url };
    const token = { CHANCERY_TOKEN_FILE: join(place.path, 'state/token') };
    expect(await cli(['problems', '--ca', ca], { ...elsewhere, ...token })).toMatchObject({ code: 0 });
    expect(await cli(['problems'], { ...elsewhere, ...token, CHANCERY_CA: ca })).toMatchObject({ code: 0 });
  });

  it('T11: client status on the xDS port is told to readers, also on this machine, and to no other', {
    timeout: 60_000,
  }, async () => {
    const service = 'envoy.service.status.v3';
    const method = {
      path: `/${service}.ClientStatusDiscoveryService/StreamClientStatus`,
      ...{ request: `${service}.ClientStatusRequest`, response: `${service}.ClientStatusResponse` },
    };
    const open = (token?: string): ServiceCall => {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const made = call(xdsPort, method, headers, credentials.createSsl(readFileSync(ca)));
      made.send({});
      return made;
    };
    for (const wrong of [undefined, 'guess', `ca1.peek.${'x'.repeat(43)}`]) {
      await using refused = open(wrong);
      expect((await refused.ended()).code).toBe(status.UNAUTHENTICATED);
      expect(refused.waiting()).toBe(0);
    }
    await using first = open(readFileSync(join(place.path, 'state/token'), 'utf8').trim());
    expect(await first.next()).toEqual({});
    const made = await cli(['access', 'create', '--role', 'reader', '--name', 'peek', '--ttl', '1h']);
    expect(made.code).toBe(0);
    await using reader = open(made.out.trim());
    expect(await reader.next()).toEqual({});
    expect((await cli(['access', 'revoke', 'peek'])).code).toBe(0);
    expect((await reader.ended()).code).toBe(status.UNAUTHENTICATED);
    await using again = open(made.out.trim());
    expect((await again.ended()).code).toBe(status.UNAUTHENTICATED);
    first.send({});
    expect(await first.next()).toEqual({});
  });

  it('is told nothing by who does not know its authority, and answers nobody in plaintext', async () => {
    const elsewhere = {
      CHANCERY_CONFIG: join(place.path, 'none.yaml'),
      CHANCERY_SERVER: url,
      CHANCERY_TOKEN: 'canary',
    };
    const unknown = await cli(['problems'], elsewhere);
    expect([unknown.code, unknown.err]).toEqual([1, expect.stringContaining('[CH1852]')]);
    await expect(fetch(url.replace('https', 'http'))).rejects.toThrow();
    expect(running.logs()).not.toContain('canary');
  });

  it('gives each role what it may, over TLS, and takes it back at once', { timeout: 60_000 }, async () => {
    const make = async (role: string): Promise<string> => {
      const made = await cli(['access', 'create', '--role', role, '--name', `${role}-1`, '--ttl', '90d']);
      expect([made.code, made.err]).toEqual([0, expect.stringContaining(`a ${role}, for 90d`)]);
      expect(made.out).toMatch(/^ca1\.[\w.-]+\n$/);
      return made.out.trim();
    };
    const [reader, editor] = [await make('reader'), await make('editor')];
    expect((await cli(['access', 'list'])).out).toMatch(/editor-1 +editor +(89|90)d +\(token file\)/);
    expect(await cli(['problems'], { CHANCERY_TOKEN: reader })).toMatchObject({ code: 0 });
    const file = ['apply', '-f', join(place.path, 'objects.yaml'), '--dry-run'];
    const refused = await cli(file, { CHANCERY_TOKEN: reader });
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('the role editor is needed')]);
    expect(refused.err).toContain('[CH1720]');
    const admin = await cli(['token', 'create', '--service', 'web'], { CHANCERY_TOKEN: editor });
    expect([admin.code, admin.err]).toEqual([1, expect.stringContaining('the role operator is needed')]);
    expect(await cli(['access', 'revoke', reader])).toMatchObject({ code: 0, out: 'token reader-1 revoked\n' });
    const revoked = await cli(['problems'], { CHANCERY_TOKEN: reader });
    expect([revoked.code, revoked.err]).toEqual([1, expect.stringContaining('[CH1607]')]);
    const logs = running.logs();
    expect(logs).toMatch(/"component":"audit".*"who":"editor-1".*"status":403/);
    for (const secret of [reader, editor, readFileSync(join(place.path, 'state/token'), 'utf8').trim()])
      for (const text of [logs, ...said]) expect(text).not.toContain(secret);
  });

  it('T12: refuses the name of another host, and a page of another origin, over TLS too', async () => {
    const expected = { who: 'control-plane', ca: readFileSync(ca, 'utf8') } as const;
    const token = readFileSync(join(place.path, 'state/token'), 'utf8').trim();
    const { signal } = new AbortController();
    const ask = (headers: Readonly<Record<string, string>>) =>
      createSecureRequests(createSystemClock()).secureFetch({
        ...{ url: `${url}/api/v1/status`, method: 'GET', expected, signal },
        headers: { authorization: `Bearer ${token}`, ...headers },
      });
    expect((await ask({})).status).toBe(200);
    for (const headers of [{ host: 'rebound.example' }, { origin: 'https://evil.example' }, { origin: 'null' }])
      expect(await ask(headers)).toMatchObject({ status: 403, body: expect.stringContaining('CH1702') });
  });
});
