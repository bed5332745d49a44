// The API on real sockets: an event stream ends with its token, and a renewed certificate is shown without a restart.
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createPromMetrics } from '../../../src/admin/metrics.ts';
import { createAdmin } from '../../../src/admin/server.ts';
import { createSecureRequests } from '../../../src/cli/secure-request.ts';
import { createAccessTokens } from '../../../src/identity/access-token.ts';
import { type Authority, createAuthority, describeWithOpenssl } from '../../support/certificates.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';
import { createRecorder, createTestStore } from '../identity/rig.ts';
import { createFakeControl } from './fake-control.ts';

describeWithOpenssl('the API over TLS', () => {
  let place: TempDir;
  let authority: Authority;
  beforeAll(() => {
    place = createTempDir('api-tls');
    authority = createAuthority(place.path);
  });
  afterAll(() => place.remove());

  const files = () => ({ cert: join(place.path, 'api.pem'), key: join(place.path, 'api.key') });
  function show(name: string): void {
    const { cert, key } = authority.leaf(name, 'IP:127.0.0.1');
    copyFileSync(key, files().key);
    copyFileSync(cert, files().cert);
  }

  function rig() {
    const clock = createFakeClock();
    const accessTokens = createAccessTokens({ store: createTestStore(), clock });
    const stop = new AbortController();
    const admin = createAdmin(
      {
        ...{ control: createFakeControl(), clock, log: createRecorder(), accessTokens, token: 'first', version: '1' },
        ...{ metrics: createPromMetrics({ version: '1', node: 'cp' }), decode: () => ({}), node: 'cp' },
        ...{ logLevels: { levels: () => ({}), setLevel() {} }, streamsOf: async () => [] },
      },
      { address: '127.0.0.1', port: 0, hosts: [], tls: files() },
    );
    const running = admin.run(stop.signal);
    return { clock, accessTokens, stop, admin, running };
  }

  /** Name in the certificate that is shown now. */
  function shown(port: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, ca: readFileSync(authority.ca) }, () => {
        const { subject } = socket.getPeerCertificate();
        socket.destroy();
        resolve(String(subject.CN));
      });
      socket.once('error', reject);
    });
  }

  it('shows a renewed certificate to the next connection', async () => {
    show('first');
    const { clock, admin, stop, running } = rig();
    const { port } = await admin.listening;
    expect(await shown(port)).toBe('first');
    show('second');
    await expect
      .poll(async () => {
        clock.advance(2_000);
        return shown(port);
      })
      .toBe('second');
    stop.abort();
    await running;
  });

  it('T15: ends an event stream within seconds of the revocation of its token', async () => {
    show('first');
    const { clock, accessTokens, admin, stop, running } = rig();
    const { port } = await admin.listening;
    const { text: token } = await accessTokens.create({ name: 'watcher', role: 'reader', createdBy: 'test' });
    const { status, body } = await createSecureRequests(createFakeClock()).secureOpen({
      ...{ url: `https://127.0.0.1:${port}/api/v1/events`, method: 'GET', signal: stop.signal },
      expected: { who: 'server', ca: readFileSync(authority.ca, 'utf8') },
      headers: { authorization: `Bearer ${token}` },
    });
    expect(status).toBe(200);
    let ended = false;
    const reading = (async () => {
      try {
        for await (const part of body) expect(part.length).toBeGreaterThan(0);
      } catch {
        // Cut off, which is no end of its own.
      }
      ended = true;
    })();
    clock.advance(5_000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(ended).toBe(false);
    await accessTokens.revoke('watcher');
    await expect
      .poll(() => {
        clock.advance(5_000);
        return ended;
      })
      .toBe(true);
    stop.abort();
    await Promise.all([reading, running]);
  });

  it('T15: refuses the 65th event stream of one token, serves another, and has a place again once one ended', async () => {
    show('first');
    const { accessTokens, admin, stop, running } = rig();
    const { port } = await admin.listening;
    const requests = createSecureRequests(createFakeClock());
    const tokenOf = async (name: string): Promise<string> =>
      (await accessTokens.create({ name, role: 'reader', createdBy: 'test' })).text;
    const watch = (token: string, signal: AbortSignal) =>
      requests.secureOpen({
        ...{ url: `https://127.0.0.1:${port}/api/v1/events`, method: 'GET', signal },
        expected: { who: 'server', ca: readFileSync(authority.ca, 'utf8') },
        headers: { authorization: `Bearer ${token}` },
      });
    const [greedy, other] = [await tokenOf('greedy'), await tokenOf('other')];
    const first = new AbortController();
    const answers = [await watch(greedy, first.signal)];
    for (let index = 1; index < 64; index++) answers.push(await watch(greedy, stop.signal));
    expect(answers.map(({ status }) => status)).toEqual(Array(64).fill(200));
    const refused = await watch(greedy, stop.signal);
    let text = '';
    for await (const part of refused.body) text += part.toString();
    expect([refused.status, JSON.parse(text)]).toEqual([
      429,
      expect.objectContaining({
        ...{ code: 'CH1721', retryAfterSeconds: 10 },
        detail: expect.stringContaining('the token "greedy" has 64 event streams open'),
      }),
    ]);
    expect((await watch(other, stop.signal)).status).toBe(200);
    first.abort();
    await expect.poll(async () => (await watch(greedy, stop.signal)).status).toBe(200);
    stop.abort();
    await running;
  });

  it('says which file cannot be used', async () => {
    show('first');
    copyFileSync(authority.leaf('other', 'IP:127.0.0.1').key, files().key);
    const { running } = rig();
    await expect(running).rejects.toThrow(/CH1724.*api\.key is not the key/);
  });
});
