import { describe, expect, it } from 'vitest';
import { instanceHealth, sidecarHealth, weigh } from '../../../../src/sources/consul/health.ts';

const check = (status: string, output = 'ran') => ({ status, output });

describe('health from checks', () => {
  it.each([
    { checks: [], health: 'healthy' },
    { checks: ['passing', 'passing'], health: 'healthy' },
    { checks: ['passing', 'warning'], health: 'warning' },
    { checks: ['critical', 'warning', 'passing'], health: 'critical' },
    { checks: ['maintenance'], health: 'critical' },
    { checks: ['of the future'], health: 'critical' },
  ])('$checks is $health', ({ checks, health }) => {
    expect(instanceHealth(checks.map((status) => check(status)))).toBe(health);
  });
  it('does not hold a sidecar check that never ran against the instance', () => {
    expect(sidecarHealth([check('critical', ''), check('passing')])).toBe('healthy');
    expect(sidecarHealth([check('critical', 'connection refused')])).toBe('critical');
  });
});

describe('weight', () => {
  it.each([
    { health: 'healthy', passing: 10, warning: 1, out: { health: 'healthy', weight: 10 } },
    { health: 'warning', passing: 10, warning: 2, out: { health: 'warning', weight: 2 } },
    { health: 'warning', passing: 10, warning: 0, out: { health: 'critical', weight: 1 } },
    { health: 'healthy', passing: 0, warning: 1, out: { health: 'critical', weight: 1 } },
    { health: 'healthy', passing: 65535, warning: 1, out: { health: 'healthy', weight: 128 } },
    { health: 'critical', passing: 5, warning: 1, out: { health: 'critical', weight: 5 } },
    { health: 'healthy', passing: -3, warning: 1, out: { health: 'critical', weight: 1 } },
    { health: 'healthy', passing: 0.4, warning: 1, out: { health: 'healthy', weight: 1 } },
  ] as const)('$health of $passing/$warning is $out', ({ health, passing, warning, out }) => {
    expect(weigh(health, { passing, warning })).toEqual(out);
  });
});
