// One request to real TLS servers on loopback: nothing of it arrives at a server that is not the one that was meant.
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer as createPlainServer, type Server } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createSecureRequests, type Expected } from '../../../src/cli/secure-request.ts';
import { type Authority, createAuthority, describeWithOpenssl } from '../../support/certificates.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';
import { makeCertificate, newKeys, uri } from '../identity/certificates.ts';

const { secureFetch } = createSecureRequests(createFakeClock());
const canary = 'canary-0123456789';
const plane = 'URI:spiffe://mesh/chancery';

describeWithOpenssl('a secure request', () => {
  let place: TempDir;
  let authority: Authority;
  let ca: string;
  let stranger: string;
  const servers: Server[] = [];
  const heard: string[] = [];
  beforeAll(() => {
    place = createTempDir('secure');
    authority = createAuthority(place.path);
    ca = readFileSync(authority.ca, 'utf8');
    stranger = readFileSync(createAuthority(place.path, 'stranger').ca, 'utf8');
  });
  afterAll(async () => {
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    place.remove();
  });

  /** The URL of a server with these names in its certificate. */
  async function serve(
    names: string,
    options: { readonly askClient?: boolean; readonly answer?: string } = {},
  ): Promise<string> {
    const { cert, key } = authority.leaf(`s${servers.length}`, names);
    const server = createServer(
      {
        ...{ cert: readFileSync(cert), key: readFileSync(key), ca },
        ...(options.askClient === true ? { requestCert: true, rejectUnauthorized: true } : {}),
      },
      (request, response) => {
        let body = '';
        request.on('data', (part: Buffer) => {
          body += part.toString();
        });
        request.on('end', () => {
          heard.push(`${request.method} ${request.url} ${request.headers.authorization} ${body}`);
          response.end(options.answer ?? 'fine');
        });
      },
    );
    return listen(server);
  }

  async function listen(server: Server): Promise<string> {
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  const signal = new AbortController().signal;
  const send = (url: string, expected: Expected, more: object = {}) =>
    secureFetch({
      ...{
        url: `${url}/x`,
        method: 'POST',
        expected,
        headers: { authorization: `Bearer ${canary}` },
        body: canary,
        signal,
      },
      ...more,
    });

  it.each([
    [plane, () => ({ who: 'control-plane', ca })],
    [plane, () => ({ who: 'named', ca: `${stranger}${ca}`, name: 'spiffe://mesh/chancery' })],
    ['IP:127.0.0.1', () => ({ who: 'named', ca, name: '127.0.0.1' })],
    ['DNS:plane.internal', () => ({ who: 'named', ca, name: 'plane.internal' })],
  ] as readonly [string, () => Expected][])('reaches a server of %s', async (names, expected) => {
    heard.length = 0;
    expect(await send(await serve(names), expected())).toEqual({ status: 200, body: 'fine' });
    expect(heard).toEqual([`POST /x Bearer ${canary} ${canary}`]);
  });

  it.each([
    ['another authority', plane, () => ({ who: 'control-plane', ca: stranger })],
    ['a workload of the same authority', 'URI:spiffe://mesh/svc/chancery', () => ({ who: 'control-plane', ca })],
    ['no URI', 'DNS:chancery', () => ({ who: 'control-plane', ca })],
    ['two URIs', `${plane},URI:spiffe://mesh/svc/web`, () => ({ who: 'control-plane', ca })],
    ['another mesh', plane, () => ({ who: 'named', ca, name: 'spiffe://other/chancery' })],
    ['another host', 'DNS:other', () => ({ who: 'named', ca, name: 'plane.internal' })],
    ['another address', 'IP:127.0.0.2', () => ({ who: 'named', ca, name: '127.0.0.1' })],
  ] as readonly [string, string, () => Expected][])('T13: says nothing to %s', async (_name, names, expected) => {
    heard.length = 0;
    const failed = await send(await serve(names), expected()).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: 'CH1852' });
    expect(String(failed) + String((failed as Error).cause)).not.toContain(canary);
    expect(heard).toEqual([]);
  });

  it('asks anybody for what is public', async () => {
    const url = await serve('DNS:whoever', { answer: 'roots' });
    const request = { url: `${url}/roots`, method: 'GET', expected: { who: 'nobody' }, signal } as const;
    expect(await secureFetch(request)).toEqual({ status: 200, body: 'roots' });
  });

  it('shows its certificate where one is asked for', async () => {
    const url = await serve(plane, { askClient: true });
    const { cert, key } = authority.leaf('client', 'URI:spiffe://mesh/svc/web');
    const certificate = { chain: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
    expect((await send(url, { who: 'control-plane', ca }, { certificate })).status).toBe(200);
    await expect(send(url, { who: 'control-plane', ca })).rejects.toThrow();
  });

  it.each([
    ['not yet valid', 1, 2],
    ['ended', -2, -1],
  ])('points to the clocks where the certificate is %s', async (_name, fromDays, toDays) => {
    const keys = newKeys();
    const at = (days: number): number => Date.now() + days * 86_400_000;
    const names = [uri('spiffe://mesh/chancery')];
    const der = makeCertificate({ names, keys, uses: [1], notBeforeMs: at(fromDays), notAfterMs: at(toDays) });
    const cert = new X509Certificate(der).toString();
    const url = await listen(createServer({ cert, key: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }) }));
    const failed = send(url, { who: 'control-plane', ca: cert });
    await expect(failed).rejects.toMatchObject({ code: 'CH1852', hint: expect.stringContaining('clocks') });
  });

  it('says that the xDS port is meant where nobody speaks TLS', async () => {
    const url = await listen(createPlainServer());
    await expect(send(url, { who: 'control-plane', ca })).rejects.toMatchObject({
      ...{
        code: 'CH1606',
        message: expect.stringContaining(`${url} does not speak TLS`),
        hint: expect.stringContaining('xDS port'),
      },
    });
  });

  it('says that nobody is there, does not read without end, and ends when told', async () => {
    await expect(send('https://127.0.0.1:1', { who: 'control-plane', ca })).rejects.toMatchObject({ code: 'CH1606' });
    const large = await serve(plane, { answer: 'x'.repeat(2 << 20) });
    await expect(send(large, { who: 'control-plane', ca })).rejects.toMatchObject({ code: 'CH1606' });
    const url = await serve(plane);
    await expect(send(url, { who: 'control-plane', ca }, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'CH1606',
    });
  });
});
