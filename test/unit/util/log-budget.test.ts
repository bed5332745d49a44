import { describe, expect, it } from 'vitest';
import type { LogFields, Logger } from '../../../src/util/log.ts';
import { limitLog } from '../../../src/util/log-budget.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

function collected(): { lines: [string, LogFields | undefined][]; log: Logger } {
  const lines: [string, LogFields | undefined][] = [];
  const say = (message: string, fields?: LogFields): void => void lines.push([message, fields]);
  const log: Logger = { debug: say, info: say, warn: say, error: say, child: () => log };
  return { lines, log };
}

describe('log budget', () => {
  it('passes a burst, leaves out the flood, and says how much when there is room again', () => {
    const clock = createFakeClock();
    const { lines, log } = collected();
    const limited = limitLog(log, clock, { burst: 2, perSecond: 1 });
    for (let count = 0; count < 1000; count++) limited.error('refused', { count });
    expect(lines).toEqual([
      ['refused', { count: 0 }],
      ['refused', { count: 1 }],
    ]);
    clock.advance(1000);
    limited.info('again', { count: 1 });
    limited.info('again');
    clock.advance(60_000);
    limited.info('later');
    expect(lines.slice(2)).toEqual([
      ['again', { count: 1, leftOut: 998 }],
      ['later', { leftOut: 1 }],
    ]);
  });
});
