// Health and weight of an instance from its checks, as Consul's own mesh computes them
// (`calculateEndpointHealthAndWeight`): any critical check is critical, else any warning is warning and takes the warning
// weight; a weight of 0 takes no traffic. Pure; it knows neither rows nor services.
import type { Health } from '../../model/instance.ts';

export interface Check {
  readonly status: string;
  /** Empty until the check has run once. */
  readonly output: string;
}

export interface Weights {
  readonly passing: number;
  readonly warning: number;
}

const rank: Readonly<Record<Health, number>> = { healthy: 0, warning: 1, critical: 2 };

export function worst(a: Health, b: Health): Health {
  return rank[a] >= rank[b] ? a : b;
}

/** `maintenance` and anything unknown count as critical: traffic goes only where health is known. */
export function checkHealth(status: string): Health {
  return status === 'passing' ? 'healthy' : status === 'warning' ? 'warning' : 'critical';
}

/** Worst of all checks, of the node and of the service; without any: healthy, as in Consul. */
export function instanceHealth(checks: readonly Check[]): Health {
  return checks.reduce<Health>((health, check) => worst(health, checkHealth(check.status)), 'healthy');
}

/**
 * Health a sidecar adds to its instance. A check that has never run does not count: Consul's default TCP check of a
 * sidecar starts critical and first runs up to ten seconds later, while the sidecar already serves.
 */
export function sidecarHealth(checks: readonly Check[]): Health {
  return instanceHealth(checks.filter((check) => check.status === 'passing' || check.output !== ''));
}

/** The weight of the present health, 1..128, and the health with a weight of 0 counted as critical. */
export function weigh(health: Health, weights: Weights): { readonly health: Health; readonly weight: number } {
  const weight = health === 'warning' ? weights.warning : weights.passing;
  if (weight <= 0) return { health: 'critical', weight: 1 };
  return { health, weight: Math.min(128, Math.max(1, Math.round(weight))) };
}
