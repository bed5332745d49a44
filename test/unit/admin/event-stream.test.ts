// Server-sent events: what is written, when it ends, and that a slow reader is cut off.
import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { streamEvents } from '../../../src/admin/event-stream.ts';
import type { ControlEvent } from '../../../src/control/contract.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createFakeControl } from './fake-control.ts';

function fixture() {
  const control = createFakeControl();
  const clock = createFakeClock();
  const abort = new AbortController();
  const written: string[] = [];
  const response = Object.assign(new EventEmitter(), {
    writableLength: 0,
    destroyed: false,
    writeHead: () => response,
    write: (text: string) => written.push(text),
    destroy() {
      response.destroyed = true;
      response.emit('close');
    },
  });
  streamEvents({ control, clock }, response as unknown as ServerResponse, abort.signal);
  const tell = (event: ControlEvent): void => {
    for (const listener of control.listeners) listener(event);
  };
  return { control, clock, abort, written, response, tell };
}

const event: ControlEvent = { kind: 'proxy', node: 'edge-1', state: 'synced', atMs: 1 };

describe('streamEvents', () => {
  it('writes each event with a number, and a sign of life between', () => {
    const { written, tell, clock } = fixture();
    tell(event);
    tell(event);
    clock.advance(15_000);
    expect(written.slice(1)).toEqual([
      `id: 1\nevent: proxy\ndata: ${JSON.stringify(event)}\n\n`,
      `id: 2\nevent: proxy\ndata: ${JSON.stringify(event)}\n\n`,
      ': still here\n\n',
    ]);
  });

  it.each(['client leaves', 'server stops', 'reader is too slow'])('leaves nothing behind when the %s', (how) => {
    const { control, clock, abort, response, tell } = fixture();
    if (how === 'client leaves') response.emit('close');
    if (how === 'server stops') abort.abort();
    if (how === 'reader is too slow') {
      response.writableLength = 2 << 20;
      tell(event);
    }
    expect(response.destroyed).toBe(true);
    expect([control.listeners.size, clock.pending()]).toEqual([0, 0]);
  });
});
