// Answers no registry should give. Each gives the Problem or degraded state its file names, none empties what is served,
// none ends the source, none makes it spin, and it recovers by itself.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { RegistrySnapshot } from '../../src/model/snapshot.ts';
import { createConsulRegistry } from '../../src/sources/consul/registry.ts';
import { assertNoLeaks } from '../support/leaks.ts';
import { eventually, eventuallyPasses } from '../support/real-parts.ts';
import { type BadAnswer, startFakeConsul } from './fake-consul.ts';
import { watch } from './source-registry-suite.ts';
import { rigDeps } from './source-rig.ts';

interface Case {
  readonly target: 'catalog' | 'health';
  readonly answer: BadAnswer;
  readonly expect: {
    readonly degraded?: string;
    /** Part of the reason. */
    readonly reason?: string;
    readonly problems?: readonly string[];
    /** Instances of `web` in the snapshot afterwards. */
    readonly web: readonly string[];
  };
}

const folder = fileURLToPath(new URL('../data/malformed/registry/', import.meta.url));
const cases = readdirSync(folder)
  .filter((file) => file.startsWith('consul-'))
  .map((file) => {
    const text = readFileSync(folder + file, 'utf8');
    return { file, says: text.slice(2, text.indexOf('\n')), case: parse(text) as Case };
  });

const ids = (snapshot: RegistrySnapshot | undefined, service: string): string[] =>
  (snapshot?.services.get(service)?.instances ?? []).map(({ id }) => id);

describe('malformed answers of Consul', () => {
  assertNoLeaks();
  it('has enough of them', () => {
    expect(cases.length).toBeGreaterThanOrEqual(12);
  });

  // At once: what takes time in each is the wait between tries.
  it.concurrent.each(cases)('$file: $says', async ({ case: { target, answer, expect: wanted } }) => {
    const fake = await startFakeConsul();
    const running = watch(
      createConsulRegistry(rigDeps(), { name: 'consul', address: fake.url, waitMs: 1000, confirmMs: 50 }),
    );
    try {
      await eventually(() => running.last()?.complete === true);
      expect(running.last()?.degraded).toBeUndefined();
      const before = running.all.length;
      fake.answer(target, answer);
      await eventuallyPasses(() => {
        const told = running.all.slice(before).findLast((snapshot) => snapshot.degraded?.kind === wanted.degraded);
        expect(told?.degraded?.reason ?? '').toContain(wanted.reason ?? '');
        expect(told?.problems.map(({ code }) => code)).toEqual(wanted.problems ?? []);
        expect(ids(told, 'web')).toEqual(wanted.web);
      });
      const settled = fake.requests();
      fake.answer(target, undefined);
      await eventuallyPasses(() => {
        expect(running.last()?.degraded).toBeUndefined();
        expect(running.last()?.problems).toEqual([]);
        expect(ids(running.last(), 'web')).toEqual(['web-1', 'web-2']);
      });
      for (const snapshot of running.all) {
        if (snapshot.complete) expect(ids(snapshot, 'api')).toEqual(['api-1']);
        for (const problem of snapshot.problems) expect(problem.at.file).toBe('health/service/web');
      }
      // Three keys and a handful of tries each; a loop that spins makes thousands.
      expect(settled).toBeLessThan(60);
    } finally {
      await running.end();
      await fake.stop();
    }
  });

  it.concurrent('bad from the very start: never complete, and complete as soon as it is mended', async () => {
    const fake = await startFakeConsul();
    fake.answer('health', { body: 'null' });
    const running = watch(createConsulRegistry(rigDeps(), { name: 'consul', address: fake.url, waitMs: 1000 }));
    try {
      await eventually(() => running.last()?.degraded?.kind === 'partial');
      expect(running.all.every(({ complete }) => !complete)).toBe(true);
      fake.answer('health', undefined);
      await eventually(() => running.last()?.complete === true);
      expect(ids(running.last(), 'web')).toEqual(['web-1', 'web-2']);
    } finally {
      await running.end();
      await fake.stop();
    }
  });
});
