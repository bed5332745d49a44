// A session over a sink that takes everything at once: what it makes of changes between two turns of its stream.
import { describe, expect, it } from 'vitest';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import { silentLogger } from '../../../src/util/log.ts';
import type { XdsEvent } from '../../../src/xds/contract.ts';
import { noHeaders } from '../../../src/xds/credentials.ts';
import type { Frame } from '../../../src/xds/frame.ts';
import { streamMethods } from '../../../src/xds/methods.ts';
import { createNameLists } from '../../../src/xds/name-lists.ts';
import { createPump } from '../../../src/xds/pump.ts';
import { createMessages } from '../../../src/xds/responses.ts';
import { createSession } from '../../../src/xds/session.ts';
import type { Sink } from '../../../src/xds/sink.ts';
import { createStalls } from '../../../src/xds/stalls.ts';
import { defaultLimits } from '../../../src/xds/stream-state.ts';
import { createWatchers } from '../../../src/xds/watchers.ts';
import { field } from '../../../src/xds/wire-writer.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createStaticViews, resource } from '../../support/static-views.ts';

function opened(service: string) {
  const method = streamMethods.find((one) => one.service.endsWith(`.${service}`) && one.variant === 'delta');
  if (method === undefined) throw new Error(`no ${service}`);
  const clock = createFakeClock();
  const views = createStaticViews([resource(typeUrls.listener, 'in'), resource(typeUrls.cluster, 'api')]);
  const sent: Buffer[] = [];
  const events: XdsEvent['kind'][] = [];
  const sink = {
    peer: { name: '127.0.0.1:1', address: '127.0.0.1', tls: false, certificate: () => undefined },
    credentials: noHeaders,
    write(frame: Frame, taken: () => void) {
      sent.push(frame.bytes);
      clock.after(1, taken);
    },
    end() {},
    cut() {},
    pause() {},
    resume() {},
  } satisfies Sink;
  const session = createSession(
    {
      ...{ clock, log: silentLogger, provider: views, onEvent: (event) => events.push(event.kind) },
      ...{ messages: createMessages('test', 'e'), nameLists: createNameLists(), pump: createPump(clock) },
      ...{ watchers: createWatchers(), stalls: createStalls(clock, 1000), limits: defaultLimits },
      ...{ secrets: undefined, blockedMs: 1000, openMs: 1000 },
    },
    sink,
    { id: 1, method, onEnd() {} },
  );
  session.incoming(field(1, field(1, 'n')));
  const turn = async (): Promise<void> => {
    await Promise.resolve();
    await clock.advanceAsync(5);
  };
  const acknowledge = (): void => {
    const last = sent.at(-1)?.toString('latin1') ?? '';
    session.incoming(field(6, /e-\d+/.exec(last)?.[0] ?? ''));
  };
  return { views, sent, events, turn, acknowledge, session };
}

describe('a session', () => {
  it('is told of what it watches, whatever else changed before', async () => {
    const { views, sent, events, turn, acknowledge } = opened('ListenerDiscoveryService');
    await turn();
    acknowledge();
    events.length = 0;
    views.publish([resource(typeUrls.listener, 'in'), resource(typeUrls.cluster, 'api', { content: '2' })]);
    await turn();
    expect(sent.length).toBe(1);
    expect(events).toEqual([]);
    views.publish([resource(typeUrls.listener, 'in', { content: '2' }), resource(typeUrls.cluster, 'api')]);
    await turn();
    expect(sent.length).toBe(2);
    expect(sent.at(-1)?.toString()).toContain('in:2');
    expect(events).toEqual(['due', 'sent']);
  });

  it('merges what changes while it waits for its client, told once, however much it is', async () => {
    const { views, sent, events, turn, acknowledge } = opened('ListenerDiscoveryService');
    await turn();
    events.length = 0;
    for (let at = 0; at < 200; at++) views.publish([resource(typeUrls.listener, 'in', { content: String(at) })]);
    await turn();
    expect(sent.length).toBe(1);
    acknowledge();
    await turn();
    expect(sent.length).toBe(2);
    expect(sent.at(-1)?.toString()).toContain('in:199');
    acknowledge();
    expect(events.at(-1)).toBe('idle');
    expect(events.filter((kind) => kind === 'sent').length).toBe(1);
  });
});
