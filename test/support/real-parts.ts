// Real Envoy, Consul and etcd for tests: which are on this machine, and tests that need one.
// A missing part is never silent: `describeWith` names the test and the reason, the runner prints both at the end,
// and with CI=true or CHANCERY_REQUIRE_REAL=1 the test fails instead.
import { describe, it } from 'vitest';
import { findPart, type PartName, parts } from '../../scripts/parts.mjs';

export { type EnvoyOptions, envoyValidate, type RunningEnvoy, startEnvoy, type ValidateResult } from './envoy.ts';
export { eventually, eventuallyPasses } from './eventually.ts';
export { freePort, freePorts, whenPortIsFree } from './free-port.ts';
export { type RunningProcess, runningProcesses, startProcess } from './process.ts';
export { type ConsulOptions, type RunningConsul, startConsul } from './real-consul.ts';
export { type EtcdOptions, type RunningEtcd, startEtcd } from './real-etcd.ts';
export type { PartName };

/** True when a missing real part is a failure. */
export function realPartsRequired(env: NodeJS.ProcessEnv = process.env): boolean {
  return env['CI'] === 'true' || env['CHANCERY_REQUIRE_REAL'] === '1';
}

/** Why a part cannot be used here, or undefined when it can. */
export function missingPart(name: PartName): string | undefined {
  const found = findPart(name);
  return found.path === undefined ? `no ${parts[name].title}: ${found.missing}` : undefined;
}

/**
 * `describe` for tests that need real parts. `fn` only registers tests and hooks, as for any `describe`.
 * @example describeWith(['envoy', 'consul'], 'Consul to Envoy', () => { it('...', ...) })
 */
export function describeWith(needed: readonly PartName[], name: string, fn: () => void): void {
  const reasons = needed.map(missingPart).filter((reason) => reason !== undefined);
  if (reasons.length === 0) {
    describe(name, fn);
  } else if (realPartsRequired()) {
    describe(name, () => {
      it('has its real parts', () => {
        throw new Error(
          `${reasons.join('; ')}. Run \`npm test\`, which fetches them, or set the variable that names the binary.`,
        );
      });
    });
  } else {
    describe.skip(`${name} [skipped: ${reasons.join('; ')}]`, fn);
  }
}
