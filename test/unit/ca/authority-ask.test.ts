// One request to an authority outside, against a real server on this machine that answers badly.

import { readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { describe, expect, it } from 'vitest';
import { authorityUrl, createAuthorityAsk, pemCertificates, textAt, textsAt } from '../../../src/ca/authority-ask.ts';
import { createAuthority, describeWithOpenssl } from '../../support/certificates.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { localServers } from '../../support/local-servers.ts';
import { createTempDir } from '../../support/temp-dir.ts';

const serve = localServers();

async function setUp(answer: RequestListener) {
  const clock = createFakeClock();
  const url = `http://${await serve(createServer(answer))}`;
  const ask = createAuthorityAsk({ clock }, { name: 'the authority', wordsOf: (body) => textAt(body, 'words') ?? '' });
  return { clock, url, ask, get: () => ask({ method: 'GET', url, what: 'a question' }) };
}
const failing = (code: string, retryable: boolean, text = '') =>
  expect.objectContaining({ code, retryable, message: expect.stringContaining(text) });

describe('a request to an authority outside', () => {
  it('sends what it is told, and gives the JSON of the answer', async () => {
    const { ask, url } = await setUp((request, response) => {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () =>
        response.end(JSON.stringify({ got: body, method: request.method, token: request.headers['x-token'] })),
      );
    });
    const answer = await ask({ method: 'POST', url, what: 'a', headers: { 'x-token': 'abc' }, body: { a: 'é' } });
    expect(answer).toEqual({ got: '{"a":"é"}', method: 'POST', token: 'abc' });
  });

  it.each([
    [400, 'CH1874', false],
    [403, 'CH1874', false],
    [404, 'CH1874', false],
    [302, 'CH1874', false],
    [408, 'CH1873', true],
    [429, 'CH1873', true],
    [500, 'CH1873', true],
    [503, 'CH1873', true],
  ])('answered %i is %s, with its words', async (status, code, retryable) => {
    const { get } = await setUp((_, response) => {
      response.writeHead(status, { location: 'http://127.0.0.1:1/' }).end('{"words": "no, not you"}');
    });
    await expect(get()).rejects.toThrow(failing(code, retryable, `${status} to a question: no, not you`));
  });

  it('T21: tells no secret that the answer repeats, and nothing unprintable', async () => {
    const { ask, url } = await setUp((_, response) => {
      response.writeHead(403).end(JSON.stringify({ words: `bad token s3cr3t\n\u001b[31m ${'x'.repeat(1000)}` }));
    });
    const failure = await ask({ method: 'GET', url, what: 'a question', secrets: ['s3cr3t'] }).catch(
      (error: Error) => error.message,
    );
    expect(failure).toContain('bad token ...');
    expect(failure).not.toContain('s3cr3t');
    expect(failure).toMatch(/^[\x20-\x7e]{50,400}$/);
  });

  it.each([
    ['seconds', '120'],
    ['a date', new Date(Date.UTC(2030, 0, 1) + 120_000).toUTCString()],
  ])('keeps the silence that was asked for in %s, and asks again after it', async (_, value) => {
    let asked = 0;
    const { clock, get } = await setUp((_request, response) => {
      asked++;
      if (asked === 1) response.writeHead(429, { 'retry-after': value }).end('{}');
      else response.end('{"ok": true}');
    });
    await expect(get()).rejects.toThrow(failing('CH1873', true, 'asked again in 120 s'));
    clock.advance(119_000);
    await expect(get()).rejects.toThrow(failing('CH1873', true, 'another 1 s'));
    expect(asked).toBe(1);
    clock.advance(1000);
    expect(await get()).toEqual({ ok: true });
  });

  it.each(['', 'soon', '-5', '99999999999'])('takes no silence from "%s" that would last for ever', async (value) => {
    const { clock, get } = await setUp((_, response) => {
      response.writeHead(503, { 'retry-after': value }).end('{}');
    });
    await expect(get()).rejects.toThrow(failing('CH1873', true));
    clock.advance(600_000);
    await expect(get()).rejects.toThrow(failing('CH1873', true, '503'));
  });

  it.each([
    ['no JSON', '<html>', 'CH1875'],
    ['nothing', '', 'CH1875'],
    ['too much', 'x'.repeat(2 << 20), 'CH1873'],
  ])('answered %s fails', async (_, body, code) => {
    const { get } = await setUp((_request, response) => response.end(body));
    await expect(get()).rejects.toThrow(failing(code, true));
  });

  it('answered in part, or by nobody, fails', async () => {
    const { get, url } = await setUp((_, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('{"a":');
      response.destroy();
    });
    await expect(get()).rejects.toThrow(failing('CH1873', true, 'no answer from the authority'));
    const closed = new URL(url);
    closed.port = '1';
    const { ask } = await setUp(() => undefined);
    await expect(ask({ method: 'GET', url: closed.href, what: 'a' })).rejects.toThrow(failing('CH1873', true));
  });

  it('that is not answered ends after half a minute, and leaves no timer', async () => {
    const { clock, get } = await setUp(() => undefined);
    const pending = get();
    clock.advance(29_999);
    expect(clock.pending()).toBe(1);
    clock.advance(1);
    await expect(pending).rejects.toThrow(failing('CH1873', true, 'no answer'));
    expect(clock.pending()).toBe(0);
  });

  it('goes to this machine only without TLS', () => {
    for (const url of ['http://127.0.0.1:8200/', 'http://localhost', 'http://[::1]:8200', 'https://vault.example'])
      expect(authorityUrl(url)).toBe(url.replace(/\/$/, ''));
    for (const url of ['http://vault.example', 'http://10.0.0.1', 'http://127.0.0.1.example'])
      expect(() => authorityUrl(url)).toThrow('[CH1857]');
  });

  it('reads texts where they are, and certificates in PEM', () => {
    expect(textAt({ a: { b: 'c' } }, 'a', 'b')).toBe('c');
    for (const body of [undefined, null, 1, [], { a: 1 }, { a: { b: 2 } }])
      expect(textAt(body, 'a', 'b')).toBeUndefined();
    expect(textAt({}, 'constructor', 'name')).toBeUndefined();
    expect(textsAt({ a: ['b'] }, 'a')).toEqual(['b']);
    expect(textsAt({ a: ['b', 1] }, 'a')).toBeUndefined();
    expect(() => pemCertificates('it', undefined)).toThrow('[CH1875]');
    const pem = '-----BEGIN CERTIFICATE-----\r\nAQID\r\n-----END CERTIFICATE-----';
    expect(pemCertificates('it', `${pem}\n${pem}`)).toEqual([Buffer.from([1, 2, 3]), Buffer.from([1, 2, 3])]);
  });
});

describeWithOpenssl('over TLS', () => {
  it('T13: sends nothing to a server of another authority, or of another name', async () => {
    using folder = createTempDir('ask');
    const [ours, theirs] = [createAuthority(folder.path, 'ours'), createAuthority(folder.path, 'theirs')];
    const ask = createAuthorityAsk({ clock: createFakeClock() }, { name: 'the authority', wordsOf: () => '' });
    let asked = 0;
    const start = async (leaf: { readonly cert: string; readonly key: string }): Promise<string> =>
      `https://${await serve(
        createSecureServer({ cert: readFileSync(leaf.cert), key: readFileSync(leaf.key) }, (_, response) => {
          asked++;
          response.end('{}');
        }),
      )}`;
    const ca = readFileSync(ours.ca, 'utf8');
    const good = await start(ours.leaf('good', 'IP:127.0.0.1'));
    expect(await ask({ method: 'GET', url: good, what: 'a', ca })).toEqual({});
    for (const leaf of [theirs.leaf('stranger', 'IP:127.0.0.1'), ours.leaf('other', 'DNS:other.example')]) {
      const url = await start(leaf);
      await expect(ask({ method: 'GET', url, what: 'a', ca })).rejects.toThrow(failing('CH1877', false));
    }
    await expect(ask({ method: 'GET', url: good, what: 'a' })).rejects.toThrow(failing('CH1877', false));
    expect(asked).toBe(1);
    expect(await ask({ method: 'GET', url: good, what: 'a', anybody: true })).toEqual({});
  });
});
