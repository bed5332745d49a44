// A bounded request to real servers on this machine that answer badly, late, without end, or are somebody else.
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { describe, expect, it } from 'vitest';
import { type BoundedRequest, boundedRequest, openRequest } from '../../../src/util/bounded-request.ts';
import { createAuthority, describeWithOpenssl } from '../../support/certificates.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { localServers } from '../../support/local-servers.ts';
import { createTempDir } from '../../support/temp-dir.ts';

const listen = localServers();

async function setUp(answer: RequestListener, more: Partial<BoundedRequest> & { readonly maxBytes?: number } = {}) {
  const clock = createFakeClock();
  const url = `http://${await listen(createServer(answer))}/`;
  const request = { url, method: 'GET', peer: 'anybody', ...more } as const;
  return { clock, url, ask: () => boundedRequest(clock, request), open: () => openRequest(clock, request) };
}
const failing = (why: string, text = '') => expect.objectContaining({ why, message: expect.stringContaining(text) });

describe('a bounded request', () => {
  it('sends what it is told, and gives status, headers and body', async () => {
    const { ask } = await setUp(
      (request, response) => {
        let body = '';
        request.on('data', (chunk) => {
          body += chunk;
        });
        request.on('end', () =>
          response.writeHead(201, { 'x-a': 'b' }).end(`${request.method} ${request.headers['x-token']} ${body}`),
        );
      },
      { method: 'POST', headers: { 'x-token': 'abc' }, body: 'é' },
    );
    expect(await ask()).toMatchObject({ status: 201, headers: { 'x-a': 'b' }, body: 'POST abc é' });
  });

  it('follows no redirection', async () => {
    let asked = 0;
    const { ask } = await setUp((_, response) => {
      asked++;
      response.writeHead(302, { location: '/elsewhere' }).end();
    });
    expect(await ask()).toMatchObject({ status: 302, body: '' });
    expect(asked).toBe(1);
  });

  it('takes as much as was said, and not a byte more', async () => {
    const answer: RequestListener = (_, response) => response.end('x'.repeat(1001));
    const { ask } = await setUp(answer, { maxBytes: 1001 });
    expect((await ask()).body).toHaveLength(1001);
    const { ask: less, clock } = await setUp(answer, { maxBytes: 1000 });
    await expect(less()).rejects.toThrow(failing('no-answer', 'more than 1000 bytes'));
    expect(clock.pending()).toBe(0);
  });

  it('ends at its deadline, though the answer goes on and on', async () => {
    let came = false;
    const answer: RequestListener = (_, response) => {
      came = true;
      response.write('a little');
    };
    const { ask, clock } = await setUp(answer, { deadlineMs: 7000 });
    const pending = ask();
    await expect.poll(() => came).toBe(true);
    clock.advance(6999);
    expect(clock.pending()).toBe(1);
    clock.advance(1);
    await expect(pending).rejects.toThrow(failing('no-answer', 'within 7 s'));
    expect(clock.pending()).toBe(0);
  });

  it('ends when told, before and in the middle of an answer', async () => {
    const stop = new AbortController();
    const { open, ask } = await setUp((_, response) => void response.write('begun'), { signal: stop.signal });
    const { body } = await open();
    const parts: string[] = [];
    await expect(
      (async () => {
        for await (const part of body) {
          parts.push(Buffer.from(part).toString());
          stop.abort(new Error('enough'));
        }
      })(),
    ).rejects.toThrow(failing('no-answer', 'enough'));
    expect(parts).toEqual(['begun']);
    await expect(ask()).rejects.toThrow(failing('no-answer', 'enough'));
  });

  it('left open is cut off by silence, not by a reader who takes his time', async () => {
    let say = (_text: string): void => {};
    const { open, clock } = await setUp((_, response) => {
      say = (text) => void response.write(text);
      say('one');
    });
    const { body } = await open();
    expect(clock.pending()).toBe(0);
    const reader = body[Symbol.asyncIterator]();
    const next = async () => Buffer.from((await reader.next()).value ?? []).toString();
    expect(await next()).toBe('one');
    clock.advance(3_600_000);
    say('two');
    expect(await next()).toBe('two');
    const silent = next();
    clock.advance(30_000);
    await expect(silent).rejects.toThrow(failing('no-answer', 'within 30 s'));
    expect(clock.pending()).toBe(0);
  });

  it('left open and not read to its end leaves no timer and no connection', async () => {
    let closed = false;
    const { open, clock } = await setUp((_, response) => {
      response.write('one');
      response.on('close', () => {
        closed = true;
      });
    });
    const { body } = await open();
    for await (const part of body) {
      expect(Buffer.from(part).toString()).toBe('one');
      break;
    }
    expect(clock.pending()).toBe(0);
    await expect.poll(() => closed).toBe(true);
  });

  it('T21: fails without a word of what was asked', async () => {
    const secret = 's3cr3t';
    const more = { headers: { 'x-token': secret }, body: secret, method: 'POST' } as const;
    const { url, clock } = await setUp((_, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('{"a":', () => response.destroy());
    });
    const closed = 'http://127.0.0.1:1/';
    for (const [at, text] of [
      [url, 'aborted'],
      [closed, 'ECONNREFUSED'],
      [url.replace('http:', 'https:'), 'wrong version number'],
    ] as const) {
      const failed = boundedRequest(clock, { url: `${at}${secret}`, peer: {}, ...more });
      await expect(failed).rejects.toThrow(expect.objectContaining({ message: expect.stringContaining(text) }));
      expect(await failed.catch((error: Error) => `${error.stack} ${JSON.stringify(error)}`)).not.toContain(secret);
    }
  });

  it('T13: goes to this machine only without TLS', async () => {
    const clock = createFakeClock();
    for (const host of ['vault.example', '10.0.0.1', '127.0.0.1.example'])
      await expect(boundedRequest(clock, { url: `http://${host}/x`, method: 'GET', peer: 'anybody' })).rejects.toThrow(
        failing('unproved', `${host} would be asked without TLS`),
      );
  });
});

describeWithOpenssl('over TLS', () => {
  it('T13: sends nothing to a server of another authority, of other names, or of an old TLS', async () => {
    using folder = createTempDir('bounded');
    const [ours, theirs] = [createAuthority(folder.path, 'ours'), createAuthority(folder.path, 'theirs')];
    const clock = createFakeClock();
    let asked = 0;
    const start = async (leaf: { readonly cert: string; readonly key: string }, tls: object = {}): Promise<string> => {
      const certificate = { cert: readFileSync(leaf.cert), key: readFileSync(leaf.key) };
      const server = createSecureServer({ ...certificate, ...tls }, (_, response) => {
        asked++;
        response.end('fine');
      });
      return `https://${await listen(server)}/`;
    };
    const ca = readFileSync(ours.ca, 'utf8');
    const ask = (url: string, peer: BoundedRequest['peer'], more: Partial<BoundedRequest> = {}) =>
      boundedRequest(clock, { url, method: 'GET', peer, ...more });

    const good = await start(ours.leaf('good', 'IP:127.0.0.1'));
    const old = await start(ours.leaf('old', 'IP:127.0.0.1'), { maxVersion: 'TLSv1.2' });
    const stranger = await start(theirs.leaf('stranger', 'IP:127.0.0.1'));
    const other = await start(ours.leaf('other', 'DNS:other.example'));
    for (const url of [stranger, other]) await expect(ask(url, { ca })).rejects.toThrow(failing('unproved'));
    await expect(ask(good, {})).rejects.toThrow(failing('unproved'));
    const nameFault = (): Error => new Error('not this one');
    await expect(ask(good, { ca, nameFault })).rejects.toThrow(failing('unproved', 'not this one'));
    await expect(ask(old, { ca })).rejects.toThrow(failing('plaintext'));
    expect(asked).toBe(0);

    expect((await ask(good, { ca })).body).toBe('fine');
    expect((await ask(other, { ca, nameFault: () => undefined })).body).toBe('fine');
    expect((await ask(old, { ca }, { minVersion: 'TLSv1.2' })).body).toBe('fine');
    expect((await ask(stranger, 'anybody')).body).toBe('fine');
    expect(asked).toBe(4);
  });
});
