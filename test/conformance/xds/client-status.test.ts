// CSDS over real gRPC: what the server says of every client, resource by resource.
import { status as grpc } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import type { Resource } from '../../../src/resources/resource.ts';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import { createStaticViews, resource } from '../../support/static-views.ts';
import { connect, protos } from './grpc-client.ts';
import { runServer } from './running-server.ts';
import { call, type Json, type Method } from './service-client.ts';

const service = 'envoy.service.status.v3';
const method = (name: string): Method => ({
  path: `/${service}.ClientStatusDiscoveryService/${name}`,
  request: `${service}.ClientStatusRequest`,
  response: `${service}.ClientStatusResponse`,
});
const stream = method('StreamClientStatus');
const fetchOnce = method('FetchClientStatus');
const channel = { variant: 'delta', aggregated: true } as const;
const CDS = typeUrls.cluster;

const cluster = (name: string, connectTimeout = '1s'): Resource =>
  resource(CDS, name, { bytes: protos.encode(CDS, { name, connectTimeout }) });
const secret = (name: string): Resource =>
  resource(typeUrls.secret, name, {
    bytes: protos.encode(typeUrls.secret, { name, genericSecret: { secret: { inlineString: 'PRIVATE' } } }),
  });

/** `name config-status client-status` of the first client. */
function lines(answer: Json): string[] {
  const [client] = answer['config'] as { genericXdsConfigs: Json[] }[];
  return (client?.genericXdsConfigs ?? []).map(({ name, configStatus, clientStatus }) =>
    [name, configStatus, clientStatus].join(' '),
  );
}

describe('client status', () => {
  it('says of each resource whether it was sent, acknowledged or refused, and why', async () => {
    const views = createStaticViews([cluster('a'), cluster('b')]);
    await using server = await runServer(views);
    const node = { id: 'edge-1', cluster: 'edge', metadata: { role: 'gateway', deep: { list: [1, 'x', true, null] } } };
    await using proxy = connect({ port: server.port, channel, type: CDS, node });
    await using tool = call(server.port, stream);
    const ask = (): Promise<Json> => {
      tool.send({});
      return tool.next();
    };
    expect(await ask()).toEqual({});

    proxy.send({ type_url: CDS });
    const first = await proxy.next();
    expect(lines(await ask())).toEqual(['a STALE REQUESTED', 'b STALE REQUESTED']);
    proxy.send({ type_url: CDS, response_nonce: first.nonce });
    await expect.poll(async () => lines(await ask())).toEqual(['a SYNCED ACKED', 'b SYNCED ACKED']);

    views.publish([cluster('a', '2s'), cluster('b')]);
    const second = await proxy.next();
    proxy.send({ type_url: CDS, response_nonce: second.nonce, error_detail: { code: 13, message: 'a: no good' } });
    await expect.poll(async () => lines(await ask())).toEqual(['a ERROR NACKED', 'b SYNCED ACKED']);

    const answer = await ask();
    expect(answer).toMatchObject({
      config: [
        {
          node,
          genericXdsConfigs: [
            {
              typeUrl: CDS,
              versionInfo: cluster('a').version,
              xdsConfig: { '@type': CDS, name: 'a', connectTimeout: '2s' },
              errorState: { details: 'a: no good', versionInfo: cluster('a', '2s').version },
            },
            { versionInfo: cluster('b').version, xdsConfig: { name: 'b' } },
          ],
        },
      ],
    });
    tool.send({ excludeResourceContents: true });
    expect(JSON.stringify(await tool.next())).not.toContain('xdsConfig"');
    tool.half();
    expect((await tool.ended()).code).toBe(grpc.OK);
  });

  it('answers once by FetchClientStatus, tells of missing resources, and never shows a secret', async () => {
    await using server = await runServer(createStaticViews([secret('key')]));
    await using proxy = connect({ port: server.port, channel, type: CDS });
    proxy.send({ type_url: typeUrls.secret, resource_names_subscribe: ['key', 'none'] });
    await proxy.next();
    await using tool = call(server.port, fetchOnce);
    tool.send({});
    const answer = await tool.next();
    expect(lines(answer)).toEqual(['key STALE REQUESTED', 'none STALE DOES_NOT_EXIST']);
    expect(JSON.stringify(answer)).not.toMatch(/PRIVATE|UFJJVkFURQ|xdsConfig/);
    expect((await tool.ended()).code).toBe(grpc.OK);
  });

  it('answers for the nodes asked about', async () => {
    await using server = await runServer(createStaticViews([cluster('a')]));
    const nodes = [
      { id: 'web-1', metadata: { zone: { name: 'a' }, weight: 3, tags: ['x'] } },
      { id: 'web-2', metadata: { zone: { name: 'b' }, canary: true } },
      { id: 'API-1', metadata: { none: null } },
    ];
    await using proxies = {
      open: nodes.map((node) => connect({ port: server.port, channel, type: CDS, node })),
      async [Symbol.asyncDispose]() {
        for (const proxy of this.open) await proxy[Symbol.asyncDispose]();
      },
    };
    for (const proxy of proxies.open) {
      proxy.send({ type_url: CDS });
      await proxy.next();
    }
    await using tool = call(server.port, stream);
    const ids = async (...nodeMatchers: object[]): Promise<unknown[]> => {
      tool.send({ nodeMatchers });
      const { config = [] } = (await tool.next()) as { config?: { node: { id: string } }[] };
      return config.map(({ node }) => node.id).sort();
    };
    const metadata = (path: readonly string[], value: object): object => ({
      nodeMetadatas: [{ path: path.map((key) => ({ key })), value }],
    });
    expect(await ids()).toEqual(['API-1', 'web-1', 'web-2']);
    expect(await ids({ nodeId: { exact: 'web-1' } })).toEqual(['web-1']);
    expect(await ids({ nodeId: { prefix: 'web-' } })).toEqual(['web-1', 'web-2']);
    expect(await ids({ nodeId: { suffix: '-1' } })).toEqual(['API-1', 'web-1']);
    expect(await ids({ nodeId: { contains: 'pi', ignoreCase: true } })).toEqual(['API-1']);
    expect(await ids({ nodeId: { exact: 'web-2' } }, { nodeId: { exact: 'API-1' } })).toEqual(['API-1', 'web-2']);
    expect(await ids(metadata(['zone', 'name'], { stringMatch: { exact: 'a' } }))).toEqual(['web-1']);
    expect(await ids(metadata(['canary'], { boolMatch: true }))).toEqual(['web-2']);
    expect(await ids(metadata(['weight'], { doubleMatch: { range: { start: 1, end: 4 } } }))).toEqual(['web-1']);
    expect(await ids(metadata(['weight'], { doubleMatch: { exact: 4 } }))).toEqual([]);
    expect(await ids(metadata(['none'], { nullMatch: {} }))).toEqual(['API-1']);
    expect(await ids(metadata(['zone'], { presentMatch: true }))).toEqual(['web-1', 'web-2']);
    expect(await ids(metadata(['tags'], { listMatch: { oneOf: { stringMatch: { exact: 'x' } } } }))).toEqual(['web-1']);
    const either = [{ boolMatch: true }, { stringMatch: { exact: 'y' } }];
    expect(await ids(metadata(['canary'], { orMatch: { valueMatchers: either } }))).toEqual(['web-2']);

    tool.send({ nodeMatchers: [{ nodeId: { safeRegex: { regex: '.*' } } }] });
    expect(await tool.ended()).toMatchObject({ code: grpc.INVALID_ARGUMENT });
  });

  it('refuses what is no request', async () => {
    await using server = await runServer(createStaticViews());
    await using tool = call(server.port, stream);
    tool.sendBytes(Buffer.from([0x0a, 0xff]));
    expect(await tool.ended()).toMatchObject({ code: grpc.INVALID_ARGUMENT });
  });
});
