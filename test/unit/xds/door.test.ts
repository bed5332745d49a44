// The door of the xDS port: every method has a class of access, and none is opened before it was decided.
import { describe, expect, it } from 'vitest';
import type { Asker } from '../../../src/model/access.ts';
import { silentLogger } from '../../../src/util/log.ts';
import { createDoor } from '../../../src/xds/door.ts';
import { createHealth } from '../../../src/xds/grpc/health.ts';
import { accessOf } from '../../../src/xds/method-access.ts';
import { methodPath, streamMethods } from '../../../src/xds/methods.ts';
import { createServices } from '../../../src/xds/services/services.ts';
import { nobody, type Sink, type StreamListener } from '../../../src/xds/sink.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createStaticViews } from '../../support/static-views.ts';
import { createFakeSink } from './services/fake-sink.ts';

/** Every gRPC path of the port. */
function paths(): string[] {
  const services = createServices({
    ...{ clock: createFakeClock(), log: silentLogger, provider: createStaticViews(), onEvent: () => {} },
    ...{ nextStreamId: () => 1, clients: async () => [], names: () => [], loadIntervalMs: 10_000 },
    ...{ descriptors: async () => new Uint8Array(), door: createDoor(undefined) },
  });
  return [...streamMethods.map(methodPath), ...[...services.methods, ...createHealth(() => []).methods].map(pathOf)];
}
const pathOf = ({ path }: { readonly path: string }): string => path;

/** Of a door that lets nobody in: its gate or its readers were asked, the stream was opened, or it was refused. */
function through(path: string, address: string): string {
  const sink = createFakeSink(address);
  let outcome = 'refused';
  const asks = (whom: string) => ({
    admit: () => {
      outcome = whom;
      return nobody;
    },
  });
  createDoor(asks('gate'), asks('readers')).admit(sink, path, () => {
    outcome = 'opened';
    return nobody;
  });
  return outcome;
}

describe('T11: every gRPC method of the port', () => {
  it('has a class of access', () => {
    const classes = paths().map((path) => [path.split('/')[1], accessOf(path)] as const);
    expect(classes.length).toBeGreaterThan(20);
    const others = classes.filter(([, access]) => access !== 'mesh');
    expect(new Map(others)).toEqual(
      new Map([
        ['envoy.service.status.v3.ClientStatusDiscoveryService', 'inspecting'],
        ['grpc.reflection.v1.ServerReflection', 'inspecting'],
        ['grpc.reflection.v1alpha.ServerReflection', 'inspecting'],
        ['grpc.health.v1.Health', 'open'],
      ]),
    );
  });

  it.each(paths())('%s is asked for who calls, or has a reason not to be', (path) => {
    const expected = { mesh: 'gate', inspecting: 'readers', open: 'opened' }[accessOf(path) as 'mesh'];
    expect(through(path, '10.0.0.1')).toBe(expected);
    expect(through(path, '127.0.0.1')).toBe(expected);
  });

  it('for people answers readers, and without readers nobody where callers are asked', () => {
    const path = '/envoy.service.status.v3.ClientStatusDiscoveryService/StreamClientStatus';
    const asked = (asker: Asker | undefined, address = '127.0.0.1'): readonly string[] => {
      const sink = createFakeSink(address);
      const gate = { admit: () => expect.fail('a node was asked for') };
      const readers = asker && { admit: (_: Sink, open: (asker: Asker) => StreamListener) => open(asker) };
      createDoor(gate, readers).admit(sink, path, () => {
        sink.said.push('opened');
        return nobody;
      });
      return sink.said;
    };
    expect(asked({ kind: 'role', role: 'reader', name: 'x' }, '10.0.0.1')).toEqual(['opened']);
    expect(asked({ kind: 'nobody' })).toEqual(['end unauthenticated']);
    expect(asked(undefined)).toEqual(['end unauthenticated']);
    const open = createFakeSink('10.0.0.1');
    createDoor(undefined).admit(open, path, () => expect.fail('it was opened to another machine'));
    expect(open.said).toEqual(['end permission-denied']);
  });

  it('of an unknown service is not served at all', () => {
    expect(() => accessOf('/envoy.service.debug.v3.Debug/Dump')).toThrow('no class of access');
    expect(() => through('/envoy.service.debug.v3.Debug/Dump', '127.0.0.1')).toThrow('no class of access');
  });
});
