// All scenarios, and what is expected of each: one test a scenario on a stage that they share.
import { expect, it } from 'vitest';
import { instanceScenarios } from './instance-scenarios.ts';
import { objectScenarios } from './object-scenarios.ts';
import { planeScenarios } from './plane-scenarios.ts';
import { runScenario, type Scenario, type ScenarioResult } from './scenario.ts';
import type { Stage } from './stage.ts';

export const scenarios: readonly Scenario[] = [...instanceScenarios, ...objectScenarios, ...planeScenarios];

export interface MatrixOptions {
  readonly scenarios: readonly Scenario[];
  readonly brief: boolean;
  readonly onResult?: (result: ScenarioResult) => void;
}

/** Registers a test for each scenario; they run in order on one stage, under one load. */
export function scenarioTests(stage: () => Stage, options: MatrixOptions): void {
  for (const scenario of options.scenarios) {
    it(`loses nothing while: ${scenario.name}`, { timeout: 180_000 }, async () => {
      const result = await runScenario(stage(), scenario, options.brief);
      const { explanation, ...counts } = result;
      options.onResult?.({ ...result, explanation: result.lost > 0 ? explanation : '' });
      if (counts.starved > 0) console.warn(`${counts.starved} requests timed out while the load stood still`);
      expect(counts.lost, explanation).toBe(0);
      for (const sent of Object.values(counts.requests)) expect(sent).toBeGreaterThan(0);
    });
  }
  it('loses nothing between the scenarios either', () => {
    const { load } = stage();
    expect(load.failures().filter(({ label }) => label === 'start' || label.startsWith('after '))).toEqual([]);
  });
}
