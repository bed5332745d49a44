// The wildcard state machine, both variants, exhaustively.
import { describe, expect, it } from 'vitest';
import { applyDelta, applySotw, createSubscription, isEmpty } from '../../../src/xds/subscription.ts';

const shown = (subscription: ReturnType<typeof createSubscription>): string =>
  [...(subscription.wildcard ? ['*'] : []), ...subscription.names].join(',') || 'nothing';

describe('SotW', () => {
  const endOf = (lists: readonly (readonly string[])[], legacy = true): string => {
    const subscription = createSubscription();
    for (const names of lists) applySotw(subscription, { names }, { legacy });
    return shown(subscription);
  };
  it.each([
    [[[]], '*'],
    [[[], []], '*'],
    [[[], ['*', 'A']], '*,A'],
    [[['*', 'A'], ['A']], 'A'],
    [[['A'], []], 'nothing'],
    [[['*'], []], 'nothing'],
    [[[], ['A'], []], 'nothing'],
    [[['A'], ['*']], '*'],
    [
      [
        ['A', 'B'],
        ['B', 'C'],
      ],
      'B,C',
    ],
  ] as const)('R22, R34: %j ends as %s', (lists, end) => expect(endOf(lists)).toBe(end));
  it('R34: an empty first list is nothing where the legacy wildcard is off', () => {
    expect(endOf([[]], false)).toBe('nothing');
    expect(endOf([[], ['*']], false)).toBe('*');
  });
  it('R34: the empty string is a name, not a wildcard', () => {
    const subscription = createSubscription();
    expect(applySotw(subscription, { names: [''] }, { legacy: true }).answer).toEqual(['']);
    expect(subscription.wildcard).toBe(false);
    expect(isEmpty(subscription)).toBe(false);
  });
  it('R24: only names that are new are to be answered', () => {
    const subscription = createSubscription();
    applySotw(subscription, { names: ['A'] }, { legacy: true });
    expect(applySotw(subscription, { names: ['A', 'B'] }, { legacy: true })).toMatchObject({
      answer: ['B'],
      dropped: [],
    });
    expect(applySotw(subscription, { names: ['B'] }, { legacy: true })).toMatchObject({ answer: [], dropped: ['A'] });
    expect(applySotw(subscription, { names: ['A', 'B'] }, { legacy: true })).toMatchObject({
      answer: ['A'],
      dropped: [],
    });
  });
});

describe('delta', () => {
  type Change = readonly [subscribe: readonly string[], unsubscribe: readonly string[]];
  const endOf = (changes: readonly Change[], legacy = true): string => {
    const subscription = createSubscription();
    for (const [index, [subscribe, unsubscribe]] of changes.entries())
      applyDelta(subscription, { subscribe, unsubscribe }, { first: index === 0, legacy });
    return shown(subscription);
  };
  const none: readonly string[] = [];
  it.each([
    [[[none, none]], '*'],
    [
      [
        [none, none],
        [['A'], none],
      ],
      '*,A',
    ],
    [
      [
        [none, none],
        [['A'], none],
        [none, ['*']],
      ],
      'A',
    ],
    [
      [
        [['A'], none],
        [none, ['A']],
      ],
      'nothing',
    ],
    [
      [
        [['A'], none],
        [none, none],
      ],
      'A',
    ],
    [
      [
        [['*'], none],
        [none, ['*']],
        [none, none],
      ],
      'nothing',
    ],
    [
      [
        [['*', 'A'], none],
        [none, ['A']],
      ],
      '*',
    ],
    [
      [
        [['A'], none],
        [none, ['B', 'A', 'A']],
      ],
      'nothing',
    ],
  ] as const)('R28, R30, R34: %j ends as %s', (changes, end) => expect(endOf(changes)).toBe(end));
  it('R34: an empty first subscribe is nothing where the legacy wildcard is off', () => {
    expect(endOf([[none, none]], false)).toBe('nothing');
  });
  it('R29: a name subscribed again is to be answered again', () => {
    const subscription = createSubscription();
    const subscribe = { subscribe: ['A'], unsubscribe: [] };
    const rest = { first: false, legacy: true };
    expect(applyDelta(subscription, subscribe, rest).answer).toEqual(['A']);
    expect(applyDelta(subscription, subscribe, rest).answer).toEqual(['A']);
  });
  it('R35: a name unsubscribed beside the wildcard is to be answered, without it not', () => {
    const subscription = createSubscription();
    applyDelta(subscription, { subscribe: ['*', 'A'], unsubscribe: [] }, { first: true, legacy: true });
    const unsubscribe = { subscribe: [], unsubscribe: ['A'] };
    expect(applyDelta(subscription, unsubscribe, { first: false, legacy: true }).answer).toEqual(['A']);
    applyDelta(subscription, { subscribe: ['A'], unsubscribe: ['*'] }, { first: false, legacy: true });
    expect(applyDelta(subscription, unsubscribe, { first: false, legacy: true }).answer).toEqual([]);
  });
});
