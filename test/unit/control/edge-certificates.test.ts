// The certificates of edges as their files change: what is shown, what is said, and that nothing half written is taken.
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { createEdgeCertificates } from '../../../src/control/edge-certificates.ts';
import type { Certificate } from '../../../src/model/certificate.ts';
import { silentLogger } from '../../../src/util/log.ts';
import { noMetrics } from '../../../src/util/metrics.ts';
import { createFakeAuthority, plainSecrets } from '../../support/authority.ts';
import { createAuthority, describeWithOpenssl } from '../../support/certificates.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createTempDir } from '../../support/temp-dir.ts';

const dayMs = 86_400_000;

describeWithOpenssl('the certificates of edges', () => {
  const dir = createTempDir('edge-certificates');
  afterAll(() => dir.remove());
  const authority = createAuthority(dir.path);
  const pems = (name: string): { cert: string; key: string } => {
    const { cert, key } = authority.leaf(name, `DNS:${name}.example`);
    return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
  };
  const [one, two] = [pems('one'), pems('two')];
  const { validFrom, validTo } = new X509Certificate(one.cert);
  const [startMs, endMs] = [Date.parse(validFrom), Date.parse(validTo)];

  const shop: Certificate = {
    ...{ namespace: 'default', name: 'shop' },
    from: { kind: 'files', cert: '/cert', key: '/key' },
    provenance: { source: 'objects', file: 'a.yaml', line: 3, column: 1, object: 'Certificate default/shop' },
  };

  async function rig(files: Record<string, string>) {
    const clock = createFakeClock(startMs);
    const content = new Map(Object.entries(files));
    const edge = createEdgeCertificates(
      {
        ...{
          clock,
          log: silentLogger,
          metrics: noMetrics,
          encode: plainSecrets,
          authority: createFakeAuthority(clock, dayMs),
        },
        files: {
          fingerprint: async (paths) => paths.map((path) => content.get(path) ?? 'missing').join(),
          read: async (path) => content.get(path) ?? Promise.reject(new Error(`${path} cannot be read`)),
        },
      },
      1000,
    );
    const told: (readonly string[])[] = [];
    edge.onChange((names) => told.push(names));
    edge.follow({ certificates: new Map([['shop', shop]]), gateways: new Map() });
    const stop = new AbortController();
    void edge.run(stop.signal);
    await clock.settle();
    return {
      clock,
      content,
      edge,
      told,
      problems: () => edge.problems().map(({ code, message }) => `${code} ${message}`),
    };
  }

  it('are read, and told of once', async () => {
    const { clock, edge, told } = await rig({ '/cert': one.cert, '/key': one.key });
    expect(edge.secret('shop')?.name).toBe('edge/default/shop');
    await clock.advanceAsync(5000);
    expect(told).toEqual([['shop']]);
  });

  it('stay while certificate and key do not fit, and change when they do', async () => {
    const { clock, content, edge, told, problems } = await rig({ '/cert': one.cert, '/key': one.key });
    const before = edge.secret('shop');
    content.set('/cert', two.cert);
    await clock.advanceAsync(1000);
    expect(problems().filter((text) => text.startsWith('CH1246'))).toEqual([]);
    expect(edge.secret('shop')).toBe(before);
    content.set('/key', two.key);
    await clock.advanceAsync(1000);
    expect(edge.secret('shop')?.version).not.toBe(before?.version);
    expect(told).toEqual([['shop'], ['shop']]);
  });

  it('are said to be wrong at the second look, by the name of the file, and no more when they are mended', async () => {
    const { clock, content, edge, problems } = await rig({ '/cert': one.cert, '/key': one.key });
    content.set('/key', one.key.slice(0, 60));
    await clock.advanceAsync(2000);
    expect(problems()).toContainEqual(
      'CH1246 /key holds no usable private key in PEM: the former certificate is shown',
    );
    expect(edge.secret('shop')).toBeDefined();
    content.set('/key', one.key);
    await clock.advanceAsync(1000);
    expect(problems().filter((text) => text.startsWith('CH1246'))).toEqual([]);
  });

  it.each([
    [{ '/key': one.key }, '/cert cannot be read'],
    [{ '/cert': 'nothing', '/key': one.key }, '/cert holds no certificate in PEM'],
    [{ '/cert': one.cert, '/key': two.key }, '/key is not the key of the first certificate in /cert'],
  ])('are one for no host where they never were good: %#', async (files, text) => {
    const { edge, problems } = await rig(files);
    expect(problems()).toEqual([`CH1246 ${text}: clients are shown a certificate that they refuse`]);
    expect(edge.secret('shop')?.version).toContain('not-there.invalid');
  });

  it('are warned of in the last quarter of their life, and called ended after it', async () => {
    const { clock, problems } = await rig({ '/cert': one.cert, '/key': one.key });
    clock.setWall(endMs - dayMs);
    expect(problems()).toEqual([]);
    clock.setWall(endMs - 0.4 * dayMs);
    expect(problems()).toEqual([expect.stringContaining('CH1240 the certificate ends at')]);
    clock.setWall(endMs + 1000);
    expect(problems()).toEqual([expect.stringContaining('CH1240 the certificate ended at')]);
  });
});

describe('the certificates of edges that the mesh issues', () => {
  const at = { source: 'objects', file: 'a.yaml', line: 3, column: 1, object: 'Certificate default/shop' };
  const shop = (hosts: readonly string[]): Certificate => ({
    ...{ namespace: 'default', name: 'shop', provenance: at },
    from: { kind: 'mesh', hosts },
  });

  async function rig(hosts: readonly string[], admitted: readonly string[] = hosts, prepare?: 'broken') {
    const clock = createFakeClock(Date.parse('2026-03-01T00:00:00Z'));
    const authority = createFakeAuthority(clock, dayMs);
    authority.broken = prepare === 'broken';
    const edge = createEdgeCertificates(
      {
        ...{ clock, authority, log: silentLogger, metrics: noMetrics, encode: plainSecrets },
        files: { fingerprint: async () => '', read: async (path) => Promise.reject(new Error(path)) },
      },
      1000,
    );
    const follow = (names: readonly string[]): void =>
      edge.follow({
        certificates: new Map([['shop', shop(names)]]),
        gateways: new Map([
          [
            'edge',
            {
              ...{ namespace: 'default', name: 'edge', provenance: at },
              listeners: [
                {
                  ...{ name: 'shop', address: '0.0.0.0', port: 443, protocol: 'https', hosts: admitted },
                  tls: { certificate: 'shop', client: 'none' },
                },
              ],
            },
          ],
        ]),
      });
    follow(hosts);
    void edge.run(new AbortController().signal);
    await clock.settle();
    const codes = (): string[] => edge.problems().map(({ code, message }) => `${code} ${message}`);
    return { clock, authority, edge, follow, codes };
  }

  it('are there after one look, and others at half of their life', async () => {
    const { clock, edge } = await rig(['shop.example']);
    const first = edge.secret('shop');
    expect(first?.version).toContain('shop.example');
    await clock.advanceAsync(dayMs / 2 - 2000);
    expect(edge.secret('shop')).toBe(first);
    await clock.advanceAsync(4000);
    expect(edge.secret('shop')?.version).not.toBe(first?.version);
  });

  it('stay while another cannot be had, which is said', async () => {
    const { clock, authority, edge, codes } = await rig(['shop.example']);
    const first = edge.secret('shop');
    authority.broken = true;
    await clock.advanceAsync(dayMs / 2 + 2000);
    expect(edge.secret('shop')).toBe(first);
    expect(codes()).toEqual(['CH1267 no authority: the former certificate is shown']);
    authority.broken = false;
    await clock.advanceAsync(60_000);
    expect(edge.secret('shop')).not.toBe(first);
    expect(codes()).toEqual([]);
  });

  it('are issued anew for other hosts, and when another root signs', async () => {
    const { clock, authority, edge, follow } = await rig(['shop.example']);
    follow(['other.example']);
    await clock.settle();
    const other = edge.secret('shop');
    expect(other?.version).toContain('other.example');
    authority.changeRoots('two', 'one');
    await clock.advanceAsync(2000);
    expect(edge.secret('shop')).not.toBe(other);
  });

  it('are there as soon as the authority is', async () => {
    const { clock, authority, edge } = await rig(['shop.example'], ['shop.example'], 'broken');
    expect(edge.secret('shop')).toBeUndefined();
    authority.broken = false;
    await clock.advanceAsync(3000);
    expect(edge.secret('shop')?.version).toContain('shop.example');
  });

  it('are said to be wrong where a listener is for hosts that they are not for', async () => {
    const { codes } = await rig(['*.example'], ['shop.example', 'a.shop.example', '*.example', '*']);
    expect(codes()).toEqual(['CH1268 certificate "shop" of listener "shop" is not for a.shop.example']);
  });
});
