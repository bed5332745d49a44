// What happens to instances: replaced one by one or all at once, given time to drain or none, beside a churn of others.
import type { Application } from './application.ts';
import type { Scenario } from './scenario.ts';
import { type Protocol, protocols } from './shop.ts';
import { pause, type Stage } from './stage.ts';

let serial = 2;

const portsOf = (applications: readonly Application[]): number[] => applications.map(({ port }) => port);

async function retire(stage: Stage, protocol: Protocol, application: Application, drainMs: number): Promise<void> {
  await stage.deregister(protocol, application);
  if (drainMs === 0) {
    stage.note(`${application.name} cut off`);
    await application.crash();
    return;
  }
  await pause(drainMs);
  stage.note(`${application.name} stops`);
  await application.stop();
}

/** Until edge and sidecar dial exactly the registered instances. */
const known = (stage: Stage, protocol: Protocol): Promise<void> =>
  stage.clusters({ with: { [protocol.service]: portsOf(stage.instances(protocol)) } });

/** Every instance is replaced by a new one, `drainMs` between its deregistration and its end. */
export async function replaceOneByOne(stage: Stage, protocol: Protocol, drainMs: number): Promise<void> {
  for (const old of [...stage.instances(protocol)]) {
    await stage.instance(protocol, `${protocol.service}-${++serial}`);
    await known(stage, protocol);
    await retire(stage, protocol, old, drainMs);
    await known(stage, protocol);
  }
}

export async function replaceAll(stage: Stage, protocol: Protocol, drainMs: number): Promise<void> {
  const old = [...stage.instances(protocol)];
  for (const _ of old) await stage.instance(protocol, `${protocol.service}-${++serial}`);
  await known(stage, protocol);
  await Promise.all(old.map((application) => retire(stage, protocol, application, drainMs)));
  await known(stage, protocol);
}

const forEach = (work: (protocol: Protocol) => Promise<void>): Promise<unknown> => Promise.all(protocols.map(work));

/** A hundred services that nobody calls appear each second, and those of the second before go. */
export async function churn(stage: Stage, seconds: number): Promise<void> {
  const perSecond = 100;
  const from = performance.now();
  const dueMs = 1000 / perSecond;
  const name = (n: number): string => `unrelated-${n}`;
  stage.note(`${perSecond} unrelated services a second come and go`);
  for (let n = 0; n < perSecond * (seconds + 1); n++) {
    if (n < perSecond * seconds) await stage.registry.put({ service: name(n), id: `${name(n)}-1`, port: 9 });
    if (n >= perSecond) await stage.registry.remove(name(n - perSecond), `${name(n - perSecond)}-1`);
    const early = from + n * dueMs - performance.now();
    if (early > 0) await pause(early);
  }
}

export const instanceScenarios: readonly Scenario[] = [
  {
    name: 'instances replaced one by one, 1 s drain',
    run: async (stage) => void (await forEach((protocol) => replaceOneByOne(stage, protocol, 1000))),
  },
  {
    name: 'instances replaced one by one, no drain',
    drainless: true,
    run: async (stage, brief) => {
      for (let round = 0; round < (brief ? 1 : 2); round++)
        await forEach((protocol) => replaceOneByOne(stage, protocol, 0));
    },
  },
  {
    name: 'instances replaced all at once, 1 s drain',
    run: async (stage) => void (await forEach((protocol) => replaceAll(stage, protocol, 1000))),
  },
  {
    name: 'instances replaced all at once, no drain',
    drainless: true,
    run: async (stage, brief) => {
      for (let round = 0; round < (brief ? 1 : 3); round++) await forEach((protocol) => replaceAll(stage, protocol, 0));
    },
  },
  {
    name: '100 unrelated services come and go per second',
    async run(stage, brief) {
      const seconds = brief ? 2 : 5;
      await churn(stage, seconds);
      await stage.clusters({ without: ['unrelated-1', `unrelated-${100 * seconds - 1}`] });
    },
  },
];
