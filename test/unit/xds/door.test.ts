// The door of the xDS port: every method has a class of access, and none is opened before it was decided.
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/util/log.ts';
import { createDoor } from '../../../src/xds/door.ts';
import { createHealth } from '../../../src/xds/grpc/health.ts';
import { accessOf } from '../../../src/xds/method-access.ts';
import { methodPath, streamMethods } from '../../../src/xds/methods.ts';
import { createServices } from '../../../src/xds/services/services.ts';
import { nobody } from '../../../src/xds/sink.ts';
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

/** Of a door with a gate that lets nobody in: the gate was asked, the stream was opened, or it was refused. */
function through(path: string, address: string): string {
  const sink = createFakeSink(address);
  let outcome = 'refused';
  const gate = {
    admit: () => {
      outcome = 'asked';
      return nobody;
    },
  };
  createDoor(gate).admit(sink, path, () => {
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
        ['envoy.service.status.v3.ClientStatusDiscoveryService', 'machine'],
        ['grpc.health.v1.Health', 'open'],
      ]),
    );
  });

  it.each(paths())('%s is asked for who calls, or has a reason not to be', (path) => {
    const expected = { mesh: 'asked', machine: 'refused', open: 'opened' }[accessOf(path) as 'mesh'];
    expect(through(path, '10.0.0.1')).toBe(expected);
  });

  it('of an unknown service is not served at all', () => {
    expect(() => accessOf('/envoy.service.debug.v3.Debug/Dump')).toThrow('no class of access');
    expect(() => through('/envoy.service.debug.v3.Debug/Dump', '127.0.0.1')).toThrow('no class of access');
  });
});
