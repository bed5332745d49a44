// Failures by address: which addresses are one, and that what is kept is bounded.
import { describe, expect, it } from 'vitest';
import { addressGroup } from '../../../src/identity/address-group.ts';
import { createFailureLimit } from '../../../src/identity/failure-limit.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

describe('addressGroup', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::FFFF:192.0.2.7', '192.0.2.7'],
    ['2001:db8:0:1:2:3:4:5', '2001:db8:0:1::/64'],
    ['2001:db8:0:1::5', '2001:db8:0:1::/64'],
    ['2001:0DB8:0000:0001::', '2001:db8:0:1::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['64:ff9b::192.0.2.7', '64:ff9b:0:0::/64'],
    ['/run/socket', '/run/socket'],
    ['x'.repeat(100), 'x'.repeat(64)],
  ])('%s', (address, group) => {
    expect(addressGroup(address)).toBe(group);
  });
});

describe('a failure limit', () => {
  it('blocks one address after its burst, and lets go with time', () => {
    const clock = createFakeClock();
    const limit = createFailureLimit(clock, { burst: 3, perSecond: 1 });
    for (let n = 0; n < 3; n++) {
      expect(limit.blocked('192.0.2.7')).toBe(false);
      limit.failed('192.0.2.7');
    }
    expect(limit.blocked('192.0.2.7')).toBe(true);
    expect(limit.blocked('192.0.2.8')).toBe(false);
    clock.advance(999);
    expect(limit.blocked('192.0.2.7')).toBe(true);
    clock.advance(1);
    expect(limit.blocked('192.0.2.7')).toBe(false);
    limit.failed('192.0.2.7');
    expect(limit.blocked('192.0.2.7')).toBe(true);
  });

  it('takes no debt: a thousand failures end as soon as a few', () => {
    const clock = createFakeClock();
    const limit = createFailureLimit(clock, { burst: 3, perSecond: 1 });
    for (let n = 0; n < 1000; n++) limit.failed('192.0.2.7');
    clock.advance(1000);
    expect(limit.blocked('192.0.2.7')).toBe(false);
  });

  it('keeps no more addresses than it may, and those that failed last', () => {
    const clock = createFakeClock();
    const limit = createFailureLimit(clock, { burst: 1, perSecond: 0.001, addresses: 100 });
    for (let n = 0; n < 1000; n++) limit.failed(`host-${n}`);
    expect(limit.size()).toBe(100);
    expect([limit.blocked('host-999'), limit.blocked('host-900'), limit.blocked('host-899')]).toEqual([
      true,
      true,
      false,
    ]);
  });

  it('forgets addresses that are whole again', () => {
    const clock = createFakeClock();
    const limit = createFailureLimit(clock, { burst: 2, perSecond: 1 });
    for (let n = 0; n < 50; n++) limit.failed(`host-${n}`);
    clock.advance(2000);
    limit.failed('host-x');
    expect(limit.size()).toBe(1);
  });
});
