// What fails while something breaks or is replaced: 200 requests a second, no retries configured by the user.
import { type Backend, startBackend } from '../../test/support/backends.ts';
import { ask, type LoadResult, startLoad } from '../../test/support/load.ts';
import type { Row } from '../table.ts';
import type { Fleet } from './fleet.ts';

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
const perSecond = 200;

async function withLoad(fleet: Fleet, host: string, seconds: number, during: () => Promise<void>): Promise<LoadResult> {
  const load = startLoad({ port: fleet.port, host, perSecond, maxSeconds: seconds });
  const end = performance.now() + seconds * 1000;
  await pause(500);
  await during();
  await pause(Math.max(0, end - performance.now()));
  return load.stop();
}

function row(what: string, target: number, result: LoadResult): Row {
  return {
    what,
    target: target === 0 ? '0 failed' : `<= ${target} failed`,
    measured: `${result.failed} of ${result.sent}`,
    met: result.failed <= target,
    data: result,
  };
}

async function pair(fleet: Fleet, service: string): Promise<Map<string, Backend>> {
  const backends = new Map<string, Backend>();
  for (const id of [`${service}-a`, `${service}-b`]) {
    const backend = await startBackend(id);
    backends.set(id, backend);
    await fleet.register(service, id, backend.port);
  }
  const deadline = performance.now() + 20_000;
  for (let good = 0; good < 20; ) {
    const reply = await ask({ port: fleet.port, host: service }).catch(() => undefined);
    good = reply?.status === 200 ? good + 1 : 0;
    if (performance.now() > deadline) throw new Error(`${service} is not routed`);
    await pause(10);
  }
  return backends;
}

async function end(fleet: Fleet, backends: Map<string, Backend>): Promise<void> {
  for (const [id, backend] of backends) {
    await fleet.deregister(id);
    await backend.crash();
  }
}

/** Every 3 s one instance is replaced: the new one registered, the old one deregistered, given `drainMs`, then killed. */
export async function rollingReplace(fleet: Fleet, seconds: number, drainMs: number): Promise<Row> {
  const service = `roll${drainMs}`;
  const backends = await pair(fleet, service);
  const result = await withLoad(fleet, service, seconds, async () => {
    for (let i = 0; i < Math.floor(seconds / 3) - 1; i++) {
      const [old] = backends;
      if (old === undefined) throw new Error('no instance');
      const [oldId, oldBackend] = old;
      const id = `${service}-${i}`;
      const backend = await startBackend(id);
      await fleet.register(service, id, backend.port);
      backends.set(id, backend);
      await pause(1000);
      await fleet.deregister(oldId);
      await pause(drainMs);
      await oldBackend.crash();
      backends.delete(oldId);
      await pause(2000 - drainMs);
    }
  });
  await end(fleet, backends);
  return row(`rolling replace, ${drainMs === 0 ? 'no' : `${drainMs / 1000} s`} drain, GETs`, 0, result);
}

/** One of two instances dies with its connections cut, is deregistered 2 s later and comes back. */
export async function crashes(fleet: Fleet, times: number): Promise<Row> {
  const backends = await pair(fleet, 'crash');
  const [victim] = backends;
  if (victim === undefined) throw new Error('no instance');
  const [id, backend] = victim;
  const result = await withLoad(fleet, 'crash', times * 6, async () => {
    for (let i = 0; i < times; i++) {
      await backend.crash();
      await pause(2000);
      await fleet.deregister(id);
      await pause(1000);
      await backend.revive();
      await fleet.register('crash', id, backend.port);
      await pause(2500);
    }
  });
  await end(fleet, backends);
  return row(`instance crash, deregistered 2 s later, ${times} times`, 5, result);
}

export async function controlPlaneKilled(fleet: Fleet, awaySeconds: number): Promise<Row> {
  const backends = await pair(fleet, 'cpkill');
  const result = await withLoad(fleet, 'cpkill', awaySeconds * 3, async () => {
    await fleet.server.kill();
    await pause(awaySeconds * 1000);
    fleet.server = await fleet.startServer();
    await fleet.readyMs();
  });
  await end(fleet, backends);
  return row(`control plane kill -9, back after ${awaySeconds} s`, 0, result);
}

/** Instances carry Consul's default kind of check (TCP, 10 s), which a restarted agent starts as critical. */
export async function registryKilled(fleet: Fleet, awaySeconds: number): Promise<Row> {
  const backends = await pair(fleet, 'regkill');
  for (const [id, backend] of backends) {
    await fleet.consul.call('PUT', '/v1/agent/service/register', {
      Name: 'regkill',
      ID: id,
      Address: '127.0.0.1',
      Port: backend.port,
      Check: { TCP: `127.0.0.1:${backend.port}`, Interval: '10s', Timeout: '1s' },
    });
  }
  await pause(12_000);
  const result = await withLoad(fleet, 'regkill', awaySeconds + 30, async () => {
    await fleet.consul.kill();
    await pause(awaySeconds * 1000);
    fleet.consul = await fleet.consul.again();
  });
  await end(fleet, backends);
  return row(`registry kill -9, back after ${awaySeconds} s, TCP checks`, 0, result);
}
