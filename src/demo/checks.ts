// `chancery demo --check`: sends the requests and compares who answered. Each check is one line, `ok` or `FAIL` with why.
// It sees the stage from outside, as a client and an operator do. Invariant: a check that did not run is a FAIL.
import type { Clock } from '../util/clock.ts';
import { errorText } from '../util/errors.ts';
import type { Random } from '../util/random.ts';
import { type Check, expect, Failed } from './expectation.ts';
import type { Answer } from './request.ts';
import type { Stage } from './stage.ts';
import { trustChecks } from './trust-checks.ts';

export interface CheckDeps {
  readonly stage: Stage;
  readonly clock: Clock;
  readonly random: Random;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Requests of the split check, and the share of version 2 it accepts: 10 % within five standard deviations. */
const splitRequests = 1_000;
const splitBounds = [5.2, 14.8] as const;
const changeDeadlineMs = 5_000;
const loadWorkers = 4;

function createAsking({ stage, clock, signal }: CheckDeps) {
  const edge = (path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> =>
    stage.client.get(stage.ports.edge, path, headers);
  const many = async (count: number, ask: () => Promise<Answer>): Promise<readonly Answer[]> => {
    const answers: Answer[] = [];
    while (answers.length < count)
      answers.push(...(await Promise.all(Array.from({ length: Math.min(10, count - answers.length) }, ask))));
    const bad = answers.find(({ status }) => status !== 200);
    expect(bad === undefined, `a request was answered ${bad?.status}: ${bad?.body.trim()}`);
    return answers;
  };
  /** Milliseconds until the condition holds. */
  const until = async (what: string, holds: () => Promise<boolean>): Promise<number> => {
    const start = clock.now();
    while (!(await holds())) {
      expect(
        clock.now() - start < changeDeadlineMs && !signal.aborted,
        `${what} did not happen within ${changeDeadlineMs} ms`,
      );
      await clock.sleep(2);
    }
    return clock.now() - start;
  };
  return { edge, many, until };
}

type Asking = ReturnType<typeof createAsking>;

const beta = { 'x-group': 'beta' };
const instances = (answers: readonly Answer[]): ReadonlySet<string | undefined> =>
  new Set(answers.map(({ json }) => json.instance));
const versions = (answers: readonly Answer[]): string =>
  [...new Set(answers.map(({ json }) => json.version))].sort().join(',');
const ms = (value: number): string => `${value.toFixed(0)} ms`;

function rules({ edge, many }: Asking): readonly Check[] {
  return [
    [
      'edge answers',
      async () => {
        const [answer] = await many(1, () => edge('/'));
        expect(answer?.json.service === 'web', `answered by ${answer?.body.trim()}`);
        return `200 from ${answer.json.instance}`;
      },
    ],
    [
      'header rule: x-group beta goes to v2',
      async () => {
        const seen = versions(await many(50, () => edge('/api', beta)));
        expect(seen === 'v2', `answered by ${seen}`);
        return '50 of 50';
      },
    ],
    [
      'query rule: v=2 goes to v2',
      async () => {
        const seen = versions(await many(50, () => edge('/api?v=2')));
        expect(seen === 'v2', `answered by ${seen}`);
        return '50 of 50';
      },
    ],
    [
      'split near 90/10',
      async () => {
        const answers = await many(splitRequests, () => edge('/api'));
        const other = answers.find(({ json }) => json.service !== 'api');
        expect(other === undefined, `answered by ${other?.body.trim()}`);
        const percent = (answers.filter(({ json }) => json.version === 'v2').length / answers.length) * 100;
        expect(percent >= splitBounds[0] && percent <= splitBounds[1], `v2 got ${percent.toFixed(1)} %`);
        return `v2 got ${percent.toFixed(1)} % of ${splitRequests}`;
      },
    ],
    [
      'web reaches api through its sidecar',
      async () => {
        const answers = await many(20, () => edge('/'));
        const bad = answers.find(
          ({ json }) => json.api?.status !== 200 || json.api.service !== 'api' || json.api.proxied !== true,
        );
        expect(bad === undefined, `web got ${bad?.body.trim()}`);
        return `by ${[...new Set(answers.map(({ json }) => json.api?.instance))].sort().join(', ')}`;
      },
    ],
    [
      'seed objects flow',
      async () => {
        const expected = {
          'user-to-order.service.local': 'order-service',
          'order-service.service.local': 'order-service',
          'user-service.service.local': 'user-service',
        };
        for (const [host, service] of Object.entries(expected)) {
          const answers = await many(10, () => edge('/', { host }));
          const other = answers.find(({ json }) => json.service !== service);
          expect(other === undefined, `${host} was answered by ${other?.body.trim()}`);
        }
        return Object.keys(expected).join(', ');
      },
    ],
  ];
}

function changes({ edge, many, until }: Asking, stage: Stage): readonly Check[] {
  const { registrations, spare } = stage;
  const victim = 'api-2';
  return [
    [
      'an added instance is used',
      async () => {
        await registrations.register(spare, stage.inbound(spare.instance));
        const took = await until('a request to it', async () =>
          instances(await many(4, () => edge('/api', beta))).has(spare.instance),
        );
        return `${spare.instance} after ${ms(took)}`;
      },
    ],
    [
      'a removed instance is not',
      async () => {
        await registrations.deregister(spare.instance);
        const took = await until(
          'the removal',
          async () => !instances(await many(20, () => edge('/api', beta))).has(spare.instance),
        );
        return `${spare.instance} out after ${ms(took)}, no request failed`;
      },
    ],
    [
      'a critical instance is not used',
      async () => {
        await registrations.setHealth(victim, 'critical');
        const took = await until(
          'the withdrawal',
          async () => !instances(await many(40, () => edge('/api'))).has(victim),
        );
        const seen = instances(await many(200, () => edge('/api')));
        expect(!seen.has(victim), `${victim} still answers`);
        await registrations.setHealth(victim, 'passing');
        await until('its return', async () => instances(await many(20, () => edge('/api'))).has(victim));
        return `${victim} out after ${ms(took)}, and back when it passed`;
      },
    ],
    [
      'a route edit takes effect',
      async () => {
        await stage.writeRoutes(100);
        const took = await until('the edit', async () => versions(await many(20, () => edge('/api'))) === 'v2');
        await stage.writeRoutes(10);
        await until('the edit back', async () => versions(await many(20, () => edge('/api'))) !== 'v2');
        return `after ${ms(took)}`;
      },
    ],
  ];
}

function restart({ edge, many, until }: Asking, { stage, clock }: CheckDeps): readonly Check[] {
  return [
    [
      'a control plane restart loses nothing',
      async () => {
        const counts = { sent: 0, failed: 0, last: '' };
        let loading = true;
        const worker = async (path: string): Promise<void> => {
          while (loading) {
            const { status, body } = await edge(path);
            counts.sent++;
            if (status === 200) continue;
            counts.failed++;
            counts.last = `${status}: ${body.trim()}`;
          }
        };
        const workers = Array.from({ length: loadWorkers }, (_, index) => worker(index % 2 === 0 ? '/api' : '/'));
        try {
          await stage.stopPlane();
          await clock.sleep(1_000);
          await stage.startPlane();
          await stage.settled();
        } finally {
          loading = false;
          await Promise.all(workers);
        }
        expect(counts.failed === 0, `${counts.failed} of ${counts.sent} requests failed, the last with ${counts.last}`);
        await stage.writeRoutes(0);
        await until('an edit after it', async () => versions(await many(20, () => edge('/api'))) === 'v1');
        await stage.writeRoutes(10);
        return `${counts.sent} requests, 0 failed; edits work after it`;
      },
    ],
  ];
}

/** Runs every check in order; resolves with the number that failed. */
export async function runChecks(deps: CheckDeps): Promise<number> {
  const asking = createAsking(deps);
  const all = [...rules(asking), ...trustChecks(deps), ...changes(asking, deps.stage), ...restart(asking, deps)];
  let failed = 0;
  for (const [name, check] of all) {
    const outcome = await (deps.signal.aborted ? Promise.reject(new Failed('interrupted')) : check()).then(
      (detail) => ({ line: `ok    ${name} (${detail})`, fine: true }),
      (error: unknown) => ({
        line: `FAIL  ${name}: ${error instanceof Failed ? error.message : errorText(error)}`,
        fine: false,
      }),
    );
    if (!outcome.fine) failed++;
    deps.say(outcome.line);
  }
  deps.say(`${all.length - failed} ok, ${failed} failed`);
  return failed;
}
