// The most telling scenarios of the zero-loss suite on the newest Envoy, under one load. The whole matrix is test/long.
import { afterAll, beforeAll } from 'vitest';
import { describeWith } from '../../support/real-parts.ts';
import { registryRigs } from '../registry-rigs.ts';
import { scenarios, scenarioTests } from './matrix.ts';
import { type Stage, startStage } from './stage.ts';

const telling = [
  'instances replaced all at once, no drain',
  'a service renamed behind its route',
  'a route switched between clusters, the old one removed in the same change',
  'clusters change connect settings',
  'listeners change filter chains, one comes and goes beside',
  'subsets come and go',
  'changes while the former is half acknowledged',
  'an object that Envoy refuses is applied and taken back',
  'control plane killed, a change before it is back',
];

describeWith(['envoy'], 'zero loss', () => {
  const rig = registryRigs.find(({ name }) => name === 'files');
  let stage: Stage;
  beforeAll(async () => {
    if (rig === undefined) throw new Error('the files rig is missing');
    stage = await startStage({ envoy: 'newest', variant: 'delta', rig, maxSeconds: 240 });
  }, 60_000);
  afterAll(() => stage[Symbol.asyncDispose]());

  scenarioTests(() => stage, {
    scenarios: scenarios.filter(({ name }) => telling.includes(name)),
    brief: true,
  });
});
