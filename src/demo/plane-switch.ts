// The demo's control plane, in this process, to be stopped and started again on the same ports and files.
// Invariant: `stop` resolves when nothing of it is left.
import type { Control, ControlEvent } from '../control/contract.ts';
import type { Config } from '../model/config.ts';

export interface RunningPlane {
  readonly control: Control;
  readonly tokenPath: string;
  readonly done: Promise<void>;
}

export interface PlaneSwitchDeps {
  readonly startPlane: (config: Config, signal: AbortSignal) => Promise<RunningPlane>;
  readonly onEvent: (event: ControlEvent) => void;
}

export interface PlaneSwitch {
  control(): Control;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export function createPlaneSwitch(deps: PlaneSwitchDeps, config: Config): PlaneSwitch {
  let current: { readonly plane: RunningPlane; readonly abort: AbortController } | undefined;
  return {
    control() {
      if (current === undefined) throw new Error('the control plane is stopped');
      return current.plane.control;
    },
    async start() {
      const abort = new AbortController();
      const plane = await deps.startPlane(config, abort.signal);
      plane.control.subscribe(deps.onEvent);
      current = { plane, abort };
    },
    async stop() {
      const last = current;
      current = undefined;
      last?.abort.abort();
      await last?.plane.done;
    },
  };
}
