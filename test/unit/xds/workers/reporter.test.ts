// What a worker says, in which order, and what the main thread believes of it.
import { describe, expect, it } from 'vitest';
import { typeUrls } from '../../../../src/resources/type-urls.ts';
import type { XdsEvent } from '../../../../src/xds/contract.ts';
import { unpackEvents } from '../../../../src/xds/workers/event-batch.ts';
import type { Publisher } from '../../../../src/xds/workers/publisher.ts';
import { createQuestions } from '../../../../src/xds/workers/questions.ts';
import { createReporter } from '../../../../src/xds/workers/reporter.ts';
import { createStreamBook } from '../../../../src/xds/workers/stream-book.ts';
import type { FromWorkerList } from '../../../../src/xds/workers/thread-messages.ts';
import { testClient } from '../../../support/worlds.ts';

const idle = (streamId: number): XdsEvent => ({ kind: 'idle', streamId });

function setUp() {
  const lists: FromWorkerList[] = [];
  const ends: (() => void)[] = [];
  const paced: number[] = [];
  const reporter = createReporter({
    send: (list) => void lists.push(structuredClone(list)),
    atEnd: (fn) => void ends.push(fn),
    pace: (events) => void paced.push(events),
  });
  const endTurn = (): void => {
    for (const fn of ends.splice(0)) fn();
  };
  return { reporter, lists, endTurn, paced };
}

describe('a worker', () => {
  it('says everything of a turn at once, in order', () => {
    const { reporter, lists, endTurn, paced } = setUp();
    reporter.onEvent(idle(1));
    reporter.onEvent(idle(2));
    reporter.say({ kind: 'close', stream: 1 });
    reporter.onEvent({ kind: 'close', streamId: 1, reason: 'gone' });
    reporter.metrics.counter('ends_total', 'Ends').add({});
    expect(lists).toEqual([]);
    endTurn();
    expect(lists).toHaveLength(1);
    const said = lists[0]?.messages.map((message) =>
      message.kind === 'events' ? unpackEvents(message.batch).map(({ kind }) => kind) : message.kind,
    );
    expect(said).toEqual([['idle', 'idle'], 'close', ['close'], 'metrics']);
    expect(paced).toEqual([3]);
    endTurn();
    expect(lists).toHaveLength(1);
  });

  it('says with each list what it had taken when it said it', () => {
    const { reporter, lists, endTurn } = setUp();
    reporter.taken(1);
    reporter.onEvent(idle(1));
    reporter.taken(2);
    reporter.onEvent(idle(2));
    endTurn();
    expect(lists.map(({ seen, messages }) => [seen, messages.length])).toEqual([
      [1, 1],
      [2, 1],
    ]);
  });

  it('logs what can cross between threads', () => {
    const { reporter, lists, endTurn } = setUp();
    reporter.log.child('xds').warn('odd', { fn: () => {}, at: new URL('http://127.0.0.1/'), list: [1] });
    endTurn();
    expect(lists[0]?.messages).toEqual([
      {
        kind: 'log',
        level: 'warn',
        component: 'xds',
        message: 'odd',
        fields: { at: 'http://127.0.0.1/', list: [1] },
      },
    ]);
  });
});

describe('the book of a worker', () => {
  function book(behind: boolean) {
    const told: XdsEvent[] = [];
    const client = testClient('n', { streamId: 4 });
    const opened: number[] = [];
    const publisher: Publisher = {
      open: ({ streamId }) => void opened.push(streamId),
      close() {},
      want() {},
      endpoints() {},
      client: () => client,
      behind: () => behind,
      end() {},
    };
    return { kept: createStreamBook(publisher, (event) => told.push(event)), told, client };
  }
  const open: XdsEvent = {
    kind: 'open',
    client: testClient('n', { streamId: 4 }),
    variant: 'delta',
    aggregated: true,
  };

  it('tells a stream closed that its worker left open, and the end of its load reports', () => {
    const { kept, told, client } = book(false);
    kept.open(client);
    kept.take(open, 1);
    kept.take({ kind: 'load', streamId: 8, clusters: [] }, 1);
    kept.end('it died');
    expect(told.map(({ kind }) => kind)).toEqual(['open', 'load', 'close', 'load-end']);
    expect(told[0]).toMatchObject({ client });
    kept.end('again');
    expect(told).toHaveLength(4);
    expect(kept.lastStream()).toBe(4);
  });

  it('does not tell closed again what was', () => {
    const { kept, told } = book(false);
    kept.take(open, 1);
    kept.take({ kind: 'close', streamId: 4, reason: 'gone' }, 1);
    kept.take({ kind: 'load', streamId: 8, clusters: [] }, 1);
    kept.take({ kind: 'load-end', streamId: 8 }, 1);
    kept.end('it died');
    expect(told.map(({ kind }) => kind)).toEqual(['open', 'close', 'load', 'load-end']);
  });

  it('does not believe an idle that was said before a change was known', () => {
    const behind = book(true);
    behind.kept.take(idle(4), 1);
    behind.kept.take({ kind: 'ack', streamId: 4, type: typeUrls.cluster, nonce: 'x' }, 1);
    expect(behind.told.map(({ kind }) => kind)).toEqual(['ack']);
    const upToDate = book(false);
    upToDate.kept.take(idle(4), 1);
    expect(upToDate.told).toEqual([idle(4)]);
  });
});

describe('questions', () => {
  it('are settled by their answer, or when the other side is gone', async () => {
    const questions = createQuestions<string>();
    const asked: number[] = [];
    const one = questions.ask((ask) => void asked.push(ask));
    const two = questions.ask((ask) => void asked.push(ask));
    questions.answer(asked[1] ?? 0, 'second');
    questions.answer(999, 'nobody');
    questions.abandon('gone');
    expect(await Promise.all([one, two])).toEqual(['gone', 'second']);
  });
});
