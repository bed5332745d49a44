// The whole-product table of the design: real Consul, real Envoy, the built product as its own process, 100 services.
// usage: npm run bench -- product [--quick]      (about 7 minutes; --quick: about 2, fewer rounds)
// Bounded in count and time, loopback only, stops what it started.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { startBackend } from '../test/support/backends.ts';
import { controlPlaneKilled, crashes, registryKilled, rollingReplace } from './product/disruption.ts';
import { startFleet } from './product/fleet.ts';
import { addedInstance, manyObjects, newService, reconnected } from './product/propagation.ts';
import { percentile, type Row, report } from './table.ts';

const quick = process.argv.includes('--quick');
const services = 100;
const rows: Row[] = [];
const add = (...more: Row[]): void => {
  rows.push(...more);
  for (const row of more) console.log(`${row.what}: ${row.measured}`);
};

/** Resident memory of a process after it was asked nothing for a while, MB. */
function memoryMb(pid: number): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1] ?? Number.NaN) / 1024;
}

execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
await using fleet = await startFleet(services);
await using backend = await startBackend('one');

const starts: number[] = [];
for (let i = 0; i < (quick ? 3 : 7); i++) {
  await fleet.server.stop();
  const start = performance.now();
  fleet.server = await fleet.startServer();
  await fleet.readyMs();
  starts.push(performance.now() - start);
}
await reconnected(fleet, backend);
await new Promise((resolve) => setTimeout(resolve, 3000));
const memory = memoryMb(fleet.server.pid);
const start50 = percentile(starts, 50);
add(
  {
    what: `start -> ready, ${services} services, median`,
    target: '< 1 s',
    measured: `${Math.round(start50)} ms`,
    met: start50 < 1000,
    data: starts,
  },
  {
    what: `memory, ${services} services, one proxy`,
    target: '< 110 MB',
    measured: `${Math.round(memory)} MB`,
    met: memory < 110,
    data: memory,
  },
);
add(await newService(fleet, backend, quick ? 20 : 40));
add(...(await addedInstance(fleet, quick ? 20 : 40)));
add(await manyObjects(fleet, backend, 100));
add(await rollingReplace(fleet, quick ? 15 : 60, 1000));
add(await rollingReplace(fleet, quick ? 15 : 60, 0));
add(await crashes(fleet, quick ? 3 : 10));
add(await controlPlaneKilled(fleet, quick ? 4 : 10));
add(await registryKilled(fleet, quick ? 4 : 10));
report(
  'product',
  `${services} services, real Consul and Envoy, 200 requests/s open loop, no user retries${quick ? ', quick' : ''}`,
  rows,
);
if (rows.some(({ met }) => met === false)) process.exitCode = 1;
