// What the demo tells of control's events, and when.
import { describe, expect, it } from 'vitest';
import { createChronicle } from '../../../src/demo/chronicle.ts';
import { createProblem, type Problem } from '../../../src/model/problem.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

function fixture() {
  const clock = createFakeClock();
  const lines: string[] = [];
  const standing: Problem[] = [];
  const chronicle = createChronicle(
    clock,
    (line) => lines.push(line),
    (problem) => standing.includes(problem),
  );
  return { clock, lines, standing, chronicle };
}

describe('createChronicle', () => {
  it('is silent before it begins', () => {
    const { chronicle, lines, clock } = fixture();
    chronicle.take({ kind: 'acked', node: 'edge-1', revision: 1, afterMs: 1 });
    chronicle.begin();
    clock.advance(1_000);
    expect(lines).toEqual([]);
  });

  it('tells a change at once, and who acknowledged it once it is quiet', () => {
    const { chronicle, lines, clock } = fixture();
    chronicle.begin();
    chronicle.take({ kind: 'world', revision: 7, atMs: 0, changes: ['api: +1 instance', 'Route demo changed'] });
    chronicle.take({ kind: 'acked', node: 'web-1', revision: 7, afterMs: 5.25 });
    clock.advance(100);
    chronicle.take({ kind: 'acked', node: 'edge-1', revision: 7, afterMs: 3 });
    expect(lines).toEqual(['change 7: api: +1 instance; Route demo changed']);
    clock.advance(150);
    expect(lines.slice(1)).toEqual(['  7 acknowledged by edge-1 3.0 ms, web-1 5.3 ms']);
  });

  it('tells problems that still stand when it is quiet', () => {
    const { chronicle, lines, clock, standing } = fixture();
    const at = { source: 'objects', file: '', line: 0, column: 0, object: 'Service default/api' };
    const [passing, lasting] = ['passing', 'lasting'].map((text) => createProblem('CH1236', at, text)) as [
      Problem,
      Problem,
    ];
    chronicle.begin();
    for (const problem of [passing, lasting]) chronicle.take({ kind: 'problem', problem });
    standing.push(lasting);
    clock.advance(150);
    expect(lines).toEqual([expect.stringMatching(/^ {2}error \[CH1236\] Service default\/api: lasting/)]);
    clock.advance(1_000);
    expect(lines).toHaveLength(1);
  });

  it('is silent once it ended', () => {
    const { chronicle, lines, clock } = fixture();
    chronicle.begin();
    chronicle.take({ kind: 'acked', node: 'edge-1', revision: 7, afterMs: 3 });
    chronicle.end();
    chronicle.take({ kind: 'proxy', node: 'edge-1', state: 'offline', atMs: 0 });
    clock.advance(1_000);
    expect([lines, clock.pending()]).toEqual([[], 0]);
  });

  it('tells refusals and lost proxies', () => {
    const { chronicle, lines } = fixture();
    chronicle.begin();
    chronicle.take({
      kind: 'rejected',
      rejection: { node: 'edge-1', type: 'LDS', message: 'no', atMs: 0, resources: [] },
    });
    chronicle.take({ kind: 'proxy', node: 'edge-1', state: 'offline', atMs: 0 });
    chronicle.take({ kind: 'proxy', node: 'edge-1', state: 'pending', atMs: 0 });
    expect(lines).toEqual(['  edge-1 REFUSED LDS: no', '  edge-1 is offline']);
  });
});
