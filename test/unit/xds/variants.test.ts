// One suite over every variant and type: {SotW, delta} x {ADS, one stream per type} x the eight types both have.
import { describe, expect, it } from 'vitest';
import { shortNames, type TypeUrl } from '../../../src/resources/type-urls.ts';
import { isFullType } from '../../../src/xds/type-state.ts';
import { resource } from '../../support/static-views.ts';
import { CDS, type Driver, drive, ECDS, EDS, LDS, RDS, RTDS, SDS, SRDS } from './driver.ts';

const variants = (['sotw', 'delta'] as const).flatMap((variant) =>
  [true, false].map((aggregated) => ({ variant, aggregated })),
);
const types = [CDS, EDS, LDS, RDS, SDS, RTDS, ECDS, SRDS];
const cases = variants.flatMap((channel) => types.map((type) => ({ ...channel, type, short: shortNames[type] })));

/** Asks for these names and no others, whatever was asked for before. */
function asker(driver: Driver, type: TypeUrl): (names: readonly string[], nonce?: string) => string[] {
  let before: readonly string[] = [];
  return (names, nonce) => {
    const [added, dropped] = [
      names.filter((name) => !before.includes(name)),
      before.filter((name) => !names.includes(name)),
    ];
    before = names;
    const rest = nonce === undefined ? {} : { nonce };
    if (driver.options.variant === 'sotw') return driver.sotw(type, names, rest);
    return driver.delta(type, { subscribe: added, unsubscribe: dropped, ...rest });
  };
}

describe.each(cases)('$variant, aggregated: $aggregated, $short', ({ variant, aggregated, type, short }) => {
  const sotw = variant === 'sotw';
  /** Complete sets repeat what did not change. */
  const full = sotw && isFullType(type);
  const of = (name: string, content = '1') => resource(type, name, { content });
  const start = (...resources: ReturnType<typeof of>[]) => {
    const driver = drive({ variant, aggregated, resources });
    return { driver, ask: asker(driver, type) };
  };

  it('R1, R18, R24, R26, R31: names are answered, absent ones as the variant can, and an ACK is not', () => {
    const { driver, ask } = start(of('a'), of('b'));
    const absent = sotw ? (type === EDS ? ' none' : '') : ' -none';
    expect(ask(['a', 'none'])).toEqual([`${short} a${absent}`]);
    expect(driver.ack(type)).toEqual([]);
    expect(driver.publish([of('a'), of('b', '2')])).toEqual([]);
    // The interest in the absent one stays.
    expect(driver.publish([of('a'), of('b', '2'), of('none')])).toEqual([full ? `${short} a none` : `${short} none`]);
    driver.ack(type);
    expect(ask(['a', 'none', 'b'])).toEqual([full ? `${short} a b none` : `${short} b`]);
  });
  it('R12, R13: a NACK is not answered; the same content is not tried again, the next is', () => {
    const { driver, ask } = start(of('a'));
    ask(['a']);
    driver.ack(type);
    expect(driver.publish([of('a', 'bad')])).toEqual([`${short} a`]);
    expect(driver.nack(type)).toEqual([]);
    expect(driver.publish([of('a', 'bad'), of('b')])).toEqual([]);
    expect(driver.publish([of('a', '3')])).toEqual([`${short} a`]);
    expect(driver.ack(type)).toEqual([]);
    expect(driver.notices.filter(({ kind }) => kind === 'nack')).toHaveLength(1);
  });
  it('R19, R20: a stale nonce neither acknowledges nor loses the names that come with it', () => {
    const { driver, ask } = start(of('a'), of('b'));
    ask(['a']);
    const stale = driver.last(type).nonce;
    driver.ack(type);
    driver.publish([of('a', '2'), of('b')]);
    expect(ask(['a', 'b'], stale)).toEqual([]);
    expect(driver.ack(type)).toEqual([full ? `${short} a b` : `${short} b`]);
  });
  it('R25, R29: dropped and asked for again is answered, though nothing changed', () => {
    const { driver, ask } = start(of('a'), of('b'));
    ask(['a', 'b']);
    driver.ack(type);
    expect(ask(['b'])).toEqual([]);
    expect(ask(['b', 'a'])).toEqual([full ? `${short} a b` : `${short} a`]);
  });
  it('R23: deletion is absence, removal, or the business of its parent', () => {
    const { driver, ask } = start(of('a'), of('b'));
    ask(['a', 'b']);
    driver.ack(type);
    let lines = driver.publish([of('b')]);
    // Nothing tells a stream of clusters alone what the routes do.
    if (type === CDS && !aggregated) lines = driver.fire('break');
    expect(lines).toEqual(full ? [`${short} b -a`] : sotw ? [] : [`${short} -a`]);
  });
  it('R15, R16: silence, a NACK without words and a late answer neither stall nor loop', () => {
    const { driver, ask } = start(of('a'));
    ask(['a']);
    expect(driver.publish([of('a', '2')])).toEqual([]);
    expect(driver.fire(type)).toEqual([`${short} a`]);
    // The answer to the first message, long after its time.
    const [first] = driver.sent;
    const late = { nonce: first?.nonce ?? '' };
    expect(sotw ? driver.sotw(type, ['a'], late) : driver.delta(type, late)).toEqual([]);
    expect(driver.ack(type)).toEqual([]);
    for (let round = 0; round < 3; round++) expect(driver.ack(type)).toEqual([]);
    expect(driver.sent).toHaveLength(2);
    expect(driver.timers.size).toBe(0);
  });
  it('R6, R38, R39, R41: another stream answers names in full, whatever the client brings along', () => {
    const { ask } = start(of('a'));
    ask(['a']);
    const { driver } = start(of('a'));
    const brought = { nonce: 'other-7', versions: new Map([['a', of('a').version]]) };
    const again = sotw
      ? driver.sotw(type, ['a'], { nonce: 'other-7', versionInfo: 'x' })
      : driver.delta(type, { subscribe: ['a'], ...brought });
    expect(again).toEqual([`${short} a`]);
    expect(driver.notices.filter(({ kind }) => kind === 'ack')).toEqual([]);
  });
  if (isFullType(type)) {
    it('R34, R36, R37, R38, R41: a wildcard gets everything, also nothing, and not again what it has', () => {
      const { driver, ask } = start();
      expect(ask([])).toEqual([short]);
      expect(driver.ack(type)).toEqual([]);
      expect(driver.publish([of('a'), of('b')])).toEqual([`${short} a b`]);
      const { version, versions } = driver.last(type);
      driver.ack(type);
      const { driver: next } = start(of('a'), of('b'));
      const nothing = sotw ? next.sotw(type, [], { versionInfo: version }) : next.delta(type, { versions });
      expect(nothing).toEqual([]);
      expect(next.publish([of('a'), of('b', '2')])).toEqual([full ? `${short} a b` : `${short} b`]);
    });
  } else {
    it('R34: an empty list is no wildcard, and "" is a name', () => {
      const { driver, ask } = start(of('a'));
      expect(ask([])).toEqual([]);
      expect(driver.publish([of('a', '2')])).toEqual([]);
      expect(ask([''])).toEqual(sotw ? (type === EDS ? [`${short} `] : []) : [`${short} -`]);
    });
  }
});

describe('R22, R28, R34, R35: the wildcard state table, every state and every request', () => {
  const [A, B] = ['A', 'B'].map((name) => (content: string) => resource(CDS, name, { content }));
  const both = (content: string) => [A?.(content), B?.(content)].flatMap((item) => item ?? []);
  const lists = [[], ['*'], ['A'], ['*', 'A']] as const;
  const sets = [[], ['*'], ['A'], ['*', 'A']] as const;
  interface State {
    readonly wildcard: boolean;
    readonly named: boolean;
    readonly everNamed: boolean;
  }
  const fresh: State = { wildcard: false, named: false, everNamed: false };
  const arrives = ({ wildcard, named }: State): string[] => (wildcard ? ['CDS A B'] : named ? ['CDS A'] : []);

  it.each([true, false])('SotW, legacy wildcard: %s', (legacyWildcard) => {
    for (const sequence of lists.flatMap((one) => lists.flatMap((two) => lists.map((three) => [one, two, three])))) {
      const driver = drive({ variant: 'sotw', legacyWildcard, resources: both('1') });
      let state = fresh;
      for (const [index, names] of sequence.entries()) {
        const list: readonly string[] = names;
        state =
          list.length === 0 && !state.everNamed
            ? { ...state, wildcard: legacyWildcard }
            : { wildcard: list.includes('*'), named: list.includes('A'), everNamed: true };
        driver.sotw(CDS, list);
        if (driver.sent.length > 0) driver.ack(CDS);
        const where = `${JSON.stringify(sequence)} after ${index + 1}`;
        expect(driver.publish(both(`${index + 2}`)), where).toEqual(arrives(state));
        if (driver.sent.length > 0) driver.ack(CDS);
      }
    }
  });
  it.each([true, false])('delta, legacy wildcard: %s', (legacyWildcard) => {
    const changes = sets.flatMap((subscribe) => sets.map((unsubscribe) => ({ subscribe, unsubscribe })));
    // The first request reaches every state, the second takes every way out of it.
    for (const sequence of changes.flatMap((one) => changes.map((two) => [one, two]))) {
      const driver = drive({ variant: 'delta', legacyWildcard, resources: both('1') });
      let state = fresh;
      for (const [index, change] of sequence.entries()) {
        const [subscribe, unsubscribe]: (readonly string[])[] = [change.subscribe, change.unsubscribe];
        const where = `${JSON.stringify(sequence)} after ${index + 1}`;
        const before = state;
        if (index === 0 && subscribe?.length === 0 && legacyWildcard) state = { ...state, wildcard: true };
        const on = (name: string, was: boolean): boolean =>
          subscribe?.includes(name) === true || (was && unsubscribe?.includes(name) !== true);
        state = { wildcard: on('*', state.wildcard), named: on('A', state.named), everNamed: true };
        const lines = driver.delta(CDS, change);
        // Every name asked for is answered, and one dropped beside the wildcard as well.
        const told = subscribe?.includes('A') === true || (before.named && !state.named && state.wildcard);
        if (told) expect(lines.join(), where).toMatch(/^CDS A/);
        if (lines.length > 0) driver.ack(CDS);
        expect(driver.publish(both(`${index + 2}`)), where).toEqual(arrives(state));
        if (arrives(state).length > 0) driver.ack(CDS);
      }
    }
  });
});
