// What clients chose is shown on the operator's terminal: it forges no line and drives no terminal.
import { describe, expect, it } from 'vitest';
import { eventText } from '../../../src/cli/commands/server-side.ts';
import { prettyLine } from '../../../src/cli/logger.ts';
import { plainText } from '../../../src/cli/plain-text.ts';
import { table } from '../../../src/cli/table.ts';

const hostile = 'edge\x1b[2J\r\nedge-2\u009b31m\u202e';
const harmless = 'edge\\x1b[2J\\x0d\\x0aedge-2\\x9b31m\\x202e';

describe('text that a client chose', () => {
  it('is one line without controls; other text stays', () => {
    expect(plainText(hostile)).toBe(harmless);
    expect(plainText('größer: 日本 "a" \\n')).toBe('größer: 日本 "a" \\n');
  });

  it('is so in tables, in events and in log lines for people', () => {
    expect(table(['PROXY', 'STATE'], [[hostile, 'SYNCED']])).toBe(
      `PROXY${' '.repeat(harmless.length - 5)}  STATE\n${harmless}  SYNCED\n`,
    );
    expect(eventText({ kind: 'proxy', node: hostile, state: 'synced', atMs: 0 })).toBe(`${harmless} is synced`);
    const line = JSON.stringify({ level: 30, time: 0, component: 'xds', msg: 'refused', node: hostile });
    expect(prettyLine(line, false)).toBe(`00:00:00.000 INFO  xds      refused node=${harmless}\n`);
  });
});
