import { describe, expect, it } from 'vitest';
import { type GuardState, guard } from '../../../src/control/guard.ts';
import type { Health, Instance } from '../../../src/model/instance.ts';
import type { Degraded, RegistrySnapshot } from '../../../src/model/snapshot.ts';

const holdMs = 30_000;

function instance(id: string, health: Health = 'healthy'): Instance {
  return { key: `memory/${id}`, id, address: '127.0.0.1', port: 80, health, weight: 1, metadata: {}, tags: [] };
}

function snapshot(
  services: Record<string, readonly Instance[]>,
  degraded?: Degraded['kind'],
  complete = true,
): RegistrySnapshot {
  return {
    source: 'consul',
    kind: 'consul',
    revision: '1',
    complete,
    services: new Map(Object.entries(services).map(([name, instances]) => [name, { name, instances }])),
    problems: [],
    ...(degraded === undefined ? {} : { degraded: { kind: degraded, reason: 'test' } }),
  };
}

function run(steps: readonly (readonly [number, RegistrySnapshot])[]): GuardState {
  let state: GuardState | undefined;
  for (const [nowMs, next] of steps) state = guard(state, { snapshot: next, nowMs, holdMs });
  if (state === undefined) throw new Error('no step');
  return state;
}

const healths = (state: GuardState, name: string): string[] =>
  (state.served.services.get(name)?.instances ?? []).map(({ id, health }) => `${id}:${health}`);

describe('shrink guard', () => {
  it('T4: forgets no intentions by a snapshot that knows nothing', () => {
    const intentions = { fallback: 'deny', entries: new Map() } as const;
    const state = run([
      [0, { ...snapshot({ api: [instance('a')] }), intentions }],
      [1, snapshot({}, 'unreachable', false)],
    ]);
    expect(state.served.intentions).toBe(intentions);
  });

  const good = snapshot({ api: [instance('a'), instance('b')] });

  it('passes clean answers through, removals and illness included', () => {
    const state = run([
      [0, good],
      [1, snapshot({ api: [instance('a', 'critical')] })],
    ]);
    expect(healths(state, 'api')).toEqual(['a:critical']);
    expect(state.held).toBeUndefined();
  });

  it('serves nothing of a source that never was whole, and takes its first whole answer as it is', () => {
    const first = run([[0, snapshot({}, 'unreachable', false)]]);
    expect(first.served.complete).toBe(false);
    expect(
      healths(
        run([
          [0, snapshot({}, 'unreachable', false)],
          [1, good],
        ]),
        'api',
      ),
    ).toEqual(['a:healthy', 'b:healthy']);
  });

  it('keeps everything while the registry is unreachable', () => {
    const state = run([
      [0, good],
      [1, snapshot({}, 'unreachable')],
    ]);
    expect(healths(state, 'api')).toEqual(['a:healthy', 'b:healthy']);
    expect(state.served.degraded?.kind).toBe('unreachable');
  });

  it('takes what a filtered answer holds and keeps what it lacks', () => {
    const state = run([
      [0, good],
      [1, snapshot({ api: [instance('a', 'critical'), instance('c')] }, 'partial')],
    ]);
    expect(healths(state, 'api')).toEqual(['a:critical', 'b:healthy', 'c:healthy']);
    expect(state.held).toContain('api');
  });

  it('does not believe an all-critical answer right after a restart', () => {
    const ill = snapshot({ api: [instance('a', 'critical'), instance('b', 'critical')] }, 'suspect');
    const state = run([
      [0, good],
      [1, ill],
    ]);
    expect(healths(state, 'api')).toEqual(['a:healthy', 'b:healthy']);
    expect(state.held).toBeDefined();
  });

  it('goes on doubting in later clean answers of the window, until an instance was ill and got well again', () => {
    const steps: [number, RegistrySnapshot][] = [
      [0, good],
      [1, snapshot({ api: [instance('a', 'critical'), instance('b', 'critical')] }, 'suspect')],
      [2, snapshot({ api: [instance('a'), instance('b', 'critical')] })],
    ];
    expect(healths(run(steps), 'api')).toEqual(['a:healthy', 'b:healthy']);
    const later = run([...steps, [3, snapshot({ api: [instance('a', 'critical'), instance('b', 'critical')] })]]);
    expect(healths(later, 'api')).toEqual(['a:critical', 'b:healthy']);
  });

  it('does not take good health from before the restart for a recovery', () => {
    const state = run([
      [0, good],
      [1, snapshot({ api: [instance('a'), instance('b')] }, 'suspect')],
      [2, snapshot({ api: [instance('a', 'critical'), instance('b', 'critical')] }, 'suspect')],
      [3, snapshot({ api: [instance('a', 'critical'), instance('b', 'critical')] })],
    ]);
    expect(healths(state, 'api')).toEqual(['a:healthy', 'b:healthy']);
  });

  it('believes the answer when the window ends', () => {
    const ill = snapshot({ api: [instance('a', 'critical')] }, 'suspect');
    const state = run([
      [0, good],
      [1, ill],
      [holdMs + 2, ill],
    ]);
    expect(healths(state, 'api')).toEqual(['a:critical']);
    expect(state.held).toBeUndefined();
  });

  it('keeps a service that vanished whole after a reconnect, but takes away one instance of several', () => {
    const vanished = run([
      [0, good],
      [1, snapshot({}, 'suspect')],
    ]);
    expect(healths(vanished, 'api')).toEqual(['a:healthy', 'b:healthy']);
    const one = run([
      [0, good],
      [1, snapshot({ api: [instance('a')] }, 'suspect')],
    ]);
    expect(healths(one, 'api')).toEqual(['a:healthy']);
  });

  it('takes additions at once even while it doubts', () => {
    const state = run([
      [0, good],
      [1, snapshot({ api: [instance('a', 'critical'), instance('c')], web: [instance('w')] }, 'suspect')],
    ]);
    expect(healths(state, 'api')).toEqual(['a:healthy', 'c:healthy']);
    expect(healths(state, 'web')).toEqual(['w:healthy']);
  });
});
