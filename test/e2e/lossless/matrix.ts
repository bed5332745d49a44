// All scenarios, and a run of some of them on one stage.

import { instanceScenarios } from './instance-scenarios.ts';
import { objectScenarios } from './object-scenarios.ts';
import { planeScenarios } from './plane-scenarios.ts';
import type { Scenario, ScenarioResult } from './scenario.ts';
import { runScenario } from './scenario.ts';
import { type StageOptions, startStage } from './stage.ts';

export const scenarios: readonly Scenario[] = [...instanceScenarios, ...objectScenarios, ...planeScenarios];
export type { ScenarioResult, StageOptions };
export { runScenario, startStage };
