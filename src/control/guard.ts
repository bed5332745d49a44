// The shrink guard: what is served when a registry's answer cannot be trusted to be whole.
// Pure: time comes in as a number. It knows snapshots only, neither registries nor Envoy.
// Invariant: nothing is taken away on the word of a degraded source; every hold has an end and a reason.
import type { Instance } from '../model/instance.ts';
import type { RegistryService, RegistrySnapshot } from '../model/snapshot.ts';

export interface GuardState {
  /** What is served of this source now. */
  readonly served: RegistrySnapshot;
  /** End of the window in which sudden illness is not believed, monotonic milliseconds; absent: no window. */
  readonly suspectUntilMs?: number;
  /** Instances that the last answer of the window called critical. */
  readonly ill: ReadonlySet<string>;
  /** Instances that were ill and got well since the window opened: what is said of them is believed again. */
  readonly confirmed: ReadonlySet<string>;
  /** Why something is held, for people; absent: nothing is. */
  readonly held?: string;
}

export interface GuardInput {
  readonly snapshot: RegistrySnapshot;
  readonly nowMs: number;
  /** `guard.hold`: the longest time last good health and addresses outlive a suspicious answer. */
  readonly holdMs: number;
}

/**
 * The state after one more snapshot (or after time passed: feed the last snapshot again).
 * - `unreachable`, or not complete: last good, whole.
 * - `partial` (filtered, leaderless): what is there is taken, what is missing is kept.
 * - `suspect` (first answers after a reconnect or restart): opens a window of `holdMs` in which an instance that was
 *   usable and now is critical or gone with its whole service keeps its last good state, until it was called critical
 *   and then well again, or the window ends. (A restarted Consul agent calls every check critical until its first run,
 *   and may answer from before the restart first, so good health alone proves nothing.)
 */
export function guard(state: GuardState | undefined, input: GuardInput): GuardState {
  const { snapshot, nowMs, holdMs } = input;
  if (state === undefined || !state.served.complete) return fresh(snapshot);
  const kind = snapshot.degraded?.kind;
  if (kind === 'unreachable' || !snapshot.complete) {
    const { services, intentions } = state.served;
    // Who may call whom is never forgotten by a snapshot that knows nothing.
    const kept = snapshot.intentions ?? intentions;
    const served = { ...snapshot, complete: true, services, ...(kept === undefined ? {} : { intentions: kept }) };
    return { ...state, served };
  }
  const opens = kind === 'suspect' && state.suspectUntilMs === undefined;
  const until = opens ? nowMs + holdMs : state.suspectUntilMs;
  const inWindow = until !== undefined && nowMs < until;
  if (kind !== 'partial' && !inWindow) return fresh(snapshot);

  const { ill, confirmed } = inWindow ? recovered(opens ? fresh(snapshot) : state, snapshot) : fresh(snapshot);
  const holds: string[] = [];
  const services = new Map<string, RegistryService>();
  for (const [name, service] of snapshot.services) {
    services.set(
      name,
      holdInstances(state.served.services.get(name), service, {
        confirmed,
        inWindow,
        partial: kind === 'partial',
        holds,
      }),
    );
  }
  for (const [name, service] of state.served.services) {
    if (services.has(name)) continue;
    services.set(name, service);
    holds.push(name);
  }
  const served: RegistrySnapshot = { ...snapshot, services };
  return {
    served,
    ill,
    confirmed,
    ...(until !== undefined && inWindow ? { suspectUntilMs: until } : {}),
    ...(holds.length === 0 ? {} : { held: heldText(kind, holds) }),
  };
}

const nobody: ReadonlySet<string> = new Set();

function fresh(served: RegistrySnapshot): GuardState {
  return { served, ill: nobody, confirmed: nobody };
}

function heldText(kind: string | undefined, holds: readonly string[]): string {
  const names = holds.length > 3 ? `${holds.slice(0, 3).join(', ')} and ${holds.length - 3} more` : holds.join(', ');
  return kind === 'partial'
    ? `answer may be missing rows; kept last good of ${names}`
    : `sudden loss after a reconnect; kept last good of ${names}`;
}

function usable(instance: Instance): boolean {
  return instance.health !== 'critical';
}

/** An instance is well again when it is usable now and was not in the answer before, within the window. */
function recovered(state: GuardState, snapshot: RegistrySnapshot): GuardState {
  const ill = new Set<string>();
  const confirmed = new Set(state.confirmed);
  for (const service of snapshot.services.values()) {
    for (const instance of service.instances) {
      if (!usable(instance)) ill.add(instance.key);
      else if (state.ill.has(instance.key)) confirmed.add(instance.key);
    }
  }
  return { ...state, ill, confirmed };
}

interface Holding {
  readonly confirmed: ReadonlySet<string>;
  readonly inWindow: boolean;
  readonly partial: boolean;
  readonly holds: string[];
}

/** The service as it is served: the answer, with what must not be believed yet replaced by last good. */
function holdInstances(good: RegistryService | undefined, answer: RegistryService, holding: Holding): RegistryService {
  if (good === undefined || good === answer) return answer;
  const goodByKey = new Map(good.instances.map((instance) => [instance.key, instance]));
  let changed = false;
  const instances = answer.instances.map((instance) => {
    const last = goodByKey.get(instance.key);
    const doubted =
      holding.inWindow &&
      !usable(instance) &&
      last !== undefined &&
      usable(last) &&
      !holding.confirmed.has(instance.key);
    if (!doubted) return instance;
    changed = true;
    return last;
  });
  const answered = new Set(answer.instances.map((instance) => instance.key));
  const empty = !answer.instances.some(usable);
  for (const last of good.instances) {
    if (answered.has(last.key)) continue;
    if (!holding.partial && !(holding.inWindow && empty)) continue;
    instances.push(last);
    changed = true;
  }
  if (!changed) return answer;
  holding.holds.push(answer.name);
  instances.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return { ...answer, instances };
}
