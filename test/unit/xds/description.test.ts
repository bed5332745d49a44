// What a stream says of itself, resource by resource: the source of CSDS.
import { describe, expect, it } from 'vitest';
import { resource } from '../../support/static-views.ts';
import { CDS, type Driver, drive, EDS, RDS } from './driver.ts';

const cluster = (name: string, content = '1') => resource(CDS, name, { content, deps: [{ type: EDS, name }] });

/** `name:status:held`, `+` for a held version that is the view's, `~` for another one. */
function lines(driver: Driver): string[] {
  return driver.describe().map(({ name, status, held, resource: wanted, reason }) => {
    const has = held === '' ? '' : held === wanted?.version ? '+' : '~';
    return [name, status, has, ...(reason === undefined ? [] : [reason])].join(':');
  });
}

describe.each(['sotw', 'delta'] as const)('a %s stream describes', (variant) => {
  const open = (): Driver => {
    const driver = drive({ variant, resources: [cluster('a'), cluster('b')] });
    if (variant === 'sotw') driver.sotw(CDS, []);
    else driver.delta(CDS);
    return driver;
  };

  it('what was sent as stale until it is acknowledged, then as synced', () => {
    const driver = open();
    expect(lines(driver)).toEqual(['a:stale:', 'b:stale:']);
    driver.ack(CDS);
    expect(lines(driver)).toEqual(['a:synced:+', 'b:synced:+']);
  });

  it('a change that waits behind another one as not sent, with what the client holds', () => {
    const driver = open();
    driver.ack(CDS);
    driver.publish([cluster('a', '2'), cluster('b')]);
    expect(lines(driver)).toEqual(['a:stale:~', 'b:synced:+']);
    driver.publish([cluster('a', '3'), cluster('b')]);
    expect(lines(driver)).toEqual(['a:not-sent:~', 'b:synced:+']);
  });

  it("a refused resource as an error in the client's words, until its content changes", () => {
    const driver = open();
    driver.ack(CDS);
    driver.publish([cluster('a', 'poison'), cluster('b')]);
    driver.nack(CDS, 'no such thing');
    expect(lines(driver)).toContain('a:error:~:no such thing');
    driver.publish([cluster('a', '2'), cluster('b')]);
    driver.ack(CDS);
    expect(lines(driver)).toEqual(['a:synced:+', 'b:synced:+']);
  });
});

describe('a stream describes', () => {
  it('a subscribed name that the view lacks as not sent', () => {
    const driver = drive({ variant: 'delta', resources: [] });
    driver.delta(RDS, { subscribe: ['r'] });
    driver.ack(RDS);
    expect(driver.describe()).toEqual([{ type: RDS, name: 'r', status: 'not-sent', resource: undefined, held: '' }]);
  });

  it('nothing of what it is not subscribed to', () => {
    const driver = drive({ variant: 'delta', resources: [cluster('a'), resource(RDS, 'r')] });
    driver.delta(RDS, { subscribe: ['r'] });
    driver.ack(RDS);
    driver.delta(RDS, { unsubscribe: ['r'] });
    expect(driver.describe()).toEqual([]);
  });

  it('a cluster that is gone from the view as held until its removal was taken', () => {
    const driver = drive({ variant: 'delta', resources: [cluster('a')] });
    driver.delta(CDS);
    driver.ack(CDS);
    driver.publish([]);
    expect(driver.describe()).toMatchObject([{ name: 'a', resource: undefined, held: cluster('a').version }]);
    driver.ack(CDS);
    expect(driver.describe()).toEqual([]);
  });
});
