// Server reflection and health over real gRPC: what is served, file by file and symbol by symbol.
import { readFileSync } from 'node:fs';
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { status as grpc } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { createStaticViews } from '../../support/static-views.ts';
import { runServer } from './running-server.ts';
import { call, type Json, type Method } from './service-client.ts';

const descriptors = async (): Promise<Uint8Array> =>
  readFileSync(new URL('../../../src/gen/envoy.binpb', import.meta.url));
const method = (version: string): Method => ({
  path: `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
  request: `grpc.reflection.${version}.ServerReflectionRequest`,
  response: `grpc.reflection.${version}.ServerReflectionResponse`,
});
const health = (name: string): Method => ({
  path: `/grpc.health.v1.Health/${name}`,
  request: 'grpc.health.v1.HealthCheckRequest',
  response: 'grpc.health.v1.HealthCheckResponse',
});
const ads = 'envoy.service.discovery.v3.AggregatedDiscoveryService';

function filesOf(answer: Json) {
  const { fileDescriptorProto: files } = answer['fileDescriptorResponse'] as { fileDescriptorProto: string[] };
  return files.map((text) => fromBinary(FileDescriptorProtoSchema, Buffer.from(text, 'base64')));
}

/** As the library wants them. */
function importsFirst(files: ReturnType<typeof filesOf>): ReturnType<typeof filesOf> {
  const ordered = new Set<(typeof files)[number]>();
  const visit = (name: string): void => {
    const file = files.find((one) => one.name === name);
    if (file === undefined || ordered.has(file)) return;
    for (const imported of file.dependency) visit(imported);
    ordered.add(file);
  };
  for (const { name } of files) visit(name);
  return [...ordered];
}

describe.each(['v1', 'v1alpha'])('reflection %s', (version) => {
  it('lists every service, and gives the files of each with all they import, none twice', async () => {
    await using server = await runServer(createStaticViews(), {}, { descriptors });
    await using tool = call(server.port, method(version));
    tool.send({ host: 'me', listServices: '' });
    const listed = await tool.next();
    expect(listed).toMatchObject({ validHost: 'me', originalRequest: { listServices: '' } });
    const { service = [] } = listed['listServicesResponse'] as { service?: { name: string }[] };
    const names = service.map(({ name }) => name);
    expect(names).toContain(ads);
    expect(names).toEqual(
      expect.arrayContaining(['grpc.health.v1.Health', `grpc.reflection.${version}.ServerReflection`]),
    );
    const all = new Map<string, ReturnType<typeof filesOf>[number]>();
    for (const name of names) {
      tool.send({ fileContainingSymbol: name });
      const [asked, ...imported] = filesOf(await tool.next());
      // One file may hold two services; what it imports comes once.
      expect(imported.filter((file) => all.has(file.name))).toEqual([]);
      for (const file of [asked, ...imported]) if (file !== undefined) all.set(file.name, file);
    }
    const registry = createFileRegistry({
      $typeName: FileDescriptorSetSchema.typeName,
      file: importsFirst([...all.values()]),
    });
    for (const name of names) expect(registry.getService(name)?.typeName).toBe(name);
    tool.half();
    expect((await tool.ended()).code).toBe(grpc.OK);
  });
});

describe('reflection', () => {
  it('finds files, methods, nested messages and extensions, and says what it does not know', async () => {
    await using server = await runServer(createStaticViews(), {}, { descriptors });
    await using tool = call(server.port, method('v1'));
    const first = async (request: object): Promise<string | undefined> => {
      tool.send(request);
      return filesOf(await tool.next())[0]?.name;
    };
    expect(await first({ fileByFilename: 'google/protobuf/any.proto' })).toBe('google/protobuf/any.proto');
    expect(await first({ fileContainingSymbol: `${ads}.DeltaAggregatedResources` })).toBe(
      'envoy/service/discovery/v3/ads.proto',
    );
    expect(await first({ fileContainingSymbol: 'envoy.config.cluster.v3.Cluster.DnsLookupFamily' })).toBe(
      'envoy/config/cluster/v3/cluster.proto',
    );
    const http = { containingType: 'google.protobuf.MethodOptions', extensionNumber: 72295728 };
    expect(await first({ fileContainingExtension: http })).toBe('google/api/annotations.proto');
    tool.send({ allExtensionNumbersOfType: 'google.protobuf.MethodOptions' });
    expect(await tool.next()).toMatchObject({
      allExtensionNumbersResponse: {
        baseTypeName: 'google.protobuf.MethodOptions',
        extensionNumber: expect.arrayContaining([72295728]),
      },
    });
    for (const unknown of [
      { fileByFilename: 'no.proto' },
      { fileContainingSymbol: 'no.Such' },
      { fileContainingExtension: { containingType: 'google.protobuf.MethodOptions', extensionNumber: 1 } },
      { allExtensionNumbersOfType: 'no.Such' },
    ]) {
      tool.send(unknown);
      expect(await tool.next()).toMatchObject({ errorResponse: { errorCode: grpc.NOT_FOUND } });
    }
    tool.send({});
    expect(await tool.next()).toMatchObject({ errorResponse: { errorCode: grpc.INVALID_ARGUMENT } });
    tool.sendBytes(Buffer.from([0x1a, 0x7f]));
    expect(await tool.ended()).toMatchObject({ code: grpc.INVALID_ARGUMENT });
  });

  it('reads no descriptors until somebody asks, and lets them go when nobody does', async () => {
    let reads = 0;
    const counted = async (): Promise<Uint8Array> => {
      reads++;
      return descriptors();
    };
    await using server = await runServer(createStaticViews(), {}, { descriptors: counted });
    expect(reads).toBe(0);
    for (const expected of [1, 2]) {
      await using tool = call(server.port, method('v1'));
      tool.send({ listServices: '' });
      await tool.next();
      tool.send({ listServices: '' });
      await tool.next();
      expect(reads).toBe(expected);
      tool.half();
      await tool.ended();
    }
  });

  it('is not there without descriptors', async () => {
    await using server = await runServer(createStaticViews());
    await using tool = call(server.port, method('v1'));
    tool.send({ listServices: '' });
    expect(await tool.ended()).toMatchObject({ code: grpc.UNIMPLEMENTED });
  });
});

describe('health', () => {
  it('knows what is served and what is not', async () => {
    await using server = await runServer(createStaticViews(), {}, { descriptors });
    for (const service of ['', ads, 'envoy.service.status.v3.ClientStatusDiscoveryService', 'grpc.health.v1.Health']) {
      await using check = call(server.port, health('Check'));
      check.send({ service });
      expect(await check.next()).toEqual({ status: 'SERVING' });
      expect((await check.ended()).code).toBe(grpc.OK);
    }
    await using unknown = call(server.port, health('Check'));
    unknown.send({ service: 'no.Such' });
    expect(await unknown.ended()).toMatchObject({ code: grpc.NOT_FOUND });
    await using bad = call(server.port, health('Check'));
    bad.sendBytes(Buffer.from([0x0a, 0x05]));
    expect(await bad.ended()).toMatchObject({ code: grpc.INVALID_ARGUMENT });
    await using watch = call(server.port, health('Watch'));
    watch.send({ service: 'no.Such' });
    expect(await watch.next()).toEqual({ status: 'SERVICE_UNKNOWN' });
    await using served = call(server.port, health('Watch'));
    served.send({ service: ads });
    expect(await served.next()).toEqual({ status: 'SERVING' });
    void server.stop();
    expect(await served.next()).toEqual({ status: 'NOT_SERVING' });
  });
});
