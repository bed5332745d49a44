// Log lines as JSON and for people, and levels that change at run time.
import { describe, expect, it } from 'vitest';
import { createLogger, prettyLine } from '../../../src/cli/logger.ts';

function fixture(pretty = false) {
  const lines: string[] = [];
  const handle = createLogger({ level: 'info', pretty, colour: false, write: (line) => lines.push(line) });
  return { ...handle, lines };
}

describe('createLogger', () => {
  it('writes one JSON object a line with component and fields', () => {
    const { logger, lines } = fixture();
    logger.child('xds').warn('refused', { node: 'edge-1' });
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { level: 40, time: expect.any(Number), component: 'xds', node: 'edge-1', msg: 'refused' },
    ]);
  });

  it('writes short lines for people', () => {
    const line = JSON.stringify({
      level: 30,
      time: Date.UTC(2030, 0, 1, 12, 3, 4, 5),
      component: 'xds',
      msg: 'sent',
      bytes: 7,
      node: 'a',
    });
    expect(prettyLine(line, false)).toBe('12:03:04.005 INFO  xds      sent bytes=7 node=a\n');
    expect(prettyLine(line, true)).toContain('\x1b[32mINFO \x1b[0m');
  });

  it('changes levels of one component or of all the others', () => {
    const { logger, setLevel, levels, lines } = fixture();
    const xds = logger.child('xds');
    const control = logger.child('control');
    setLevel('debug', 'xds');
    xds.debug('seen');
    control.debug('not seen');
    setLevel('error', undefined);
    xds.debug('still seen');
    control.warn('not seen either');
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual(['seen', 'still seen']);
    expect(levels()).toEqual({ default: 'error', xds: 'debug', control: 'error' });
  });

  it('sets the level of a component before its first line', () => {
    const { logger, setLevel, lines } = fixture();
    setLevel('debug', 'later');
    logger.child('later').debug('seen');
    expect(lines).toHaveLength(1);
  });
});
