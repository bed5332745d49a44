// One polling client in time: when it is forgotten, when it is asked again, what control is told.
import { describe, expect, it } from 'vitest';
import type { Resource } from '../../../../src/resources/resource.ts';
import { typeUrls } from '../../../../src/resources/type-urls.ts';
import type { XdsEvent } from '../../../../src/xds/contract.ts';
import { createPollClient, type PollAnswer } from '../../../../src/xds/rest/poll-client.ts';
import { readRequest } from '../../../../src/xds/rest/rest-request.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { resource, viewOf } from '../../../support/static-views.ts';
import { testClient } from '../../../support/worlds.ts';

const { cluster: CDS, endpoints: EDS } = typeUrls;
const ask = (version = '', names: readonly string[] = [], error?: string) =>
  readRequest(
    JSON.stringify({
      node: { id: 'n' },
      version_info: version,
      resource_names: names,
      ...(error === undefined ? {} : { error_detail: { message: error } }),
    }),
  );

function fixture(initial: readonly Resource[], roomCharacters = 1024 ** 2) {
  const clock = createFakeClock();
  const events: XdsEvent[] = [];
  let resources = initial;
  let gone = 0;
  const room = { left: roomCharacters };
  const client = createPollClient(
    {
      clock,
      silentMs: 60_000,
      room,
      withoutSecrets: undefined,
      onEvent: (event) => events.push(event),
      onGone: () => gone++,
    },
    { client: testClient('n'), subscription: { view: () => viewOf(resources), close: () => {} } },
  );
  /** Polls and takes the answer; its version, or undefined. */
  const poll = (type: typeof CDS | typeof EDS, request: ReturnType<typeof ask>): string | undefined => {
    const answer = client.poll(type, request);
    if (answer === 'too-many') throw new Error(answer);
    if (answer !== undefined) client.sent(type, request, { ...(answer satisfies PollAnswer), bytes: 1 });
    return answer?.version;
  };
  return {
    ...{ clock, client, events, poll, room, gone: () => gone },
    publish(next: readonly Resource[], ...changed: Parameters<typeof client.changed>) {
      resources = next;
      client.changed(...changed);
    },
    kinds: () => events.splice(0).map(({ kind }) => kind),
  };
}

describe('a polling client', () => {
  it('is open from its first poll until it has been silent for a minute', () => {
    const { clock, kinds, poll, gone } = fixture([resource(CDS, 'a')]);
    const version = poll(CDS, ask()) ?? '';
    expect(kinds()).toEqual(['open', 'subscribe', 'sent']);
    clock.advance(50_000);
    expect(poll(CDS, ask(version))).toBeUndefined();
    expect(kinds()).toEqual(['ack', 'idle']);
    clock.advance(59_000);
    expect(gone()).toBe(0);
    clock.advance(70_000);
    expect([gone(), clock.pending()]).toEqual([1, 0]);
    expect(kinds().at(-1)).toBe('close');
  });

  it('is not forgotten while a poll of it is held', () => {
    const { clock, client, poll, gone } = fixture([resource(CDS, 'a')]);
    const version = poll(CDS, ask()) ?? '';
    poll(CDS, ask(version));
    const stop = client.wait(CDS, ask(version), () => {});
    clock.advance(300_000);
    expect(gone()).toBe(0);
    stop();
    clock.advance(120_000);
    expect(gone()).toBe(1);
  });

  it('is woken by changes of what it asks, and told to control before', () => {
    const { client, poll, publish, kinds } = fixture([resource(EDS, 'a'), resource(EDS, 'b')]);
    const version = poll(EDS, ask('', ['a'])) ?? '';
    poll(EDS, ask(version, ['a']));
    kinds();
    let woken = 0;
    client.wait(EDS, ask(version, ['a']), () => woken++);
    publish([resource(EDS, 'a'), resource(EDS, 'b', { content: '2' })], EDS, new Set(['b']));
    expect([woken, kinds()]).toEqual([0, []]);
    publish([resource(EDS, 'a', { content: '2' })], EDS, new Set(['a']));
    expect([woken, kinds()]).toEqual([1, ['due']]);
    expect(poll(EDS, ask(version, ['a']))).not.toBe(version);
  });

  it('is synced again after a change that says nothing to it', () => {
    const { poll, publish, kinds } = fixture([resource(CDS, 'a')]);
    const version = poll(CDS, ask()) ?? '';
    poll(CDS, ask(version));
    kinds();
    publish([resource(CDS, 'a')], CDS);
    poll(CDS, ask(version));
    expect(kinds()).toEqual(['due', 'idle']);
  });

  it('keeps account of each question by itself, and forgets those not asked any more', () => {
    const { clock, poll, kinds, events } = fixture([resource(EDS, 'a'), resource(EDS, 'b')]);
    const a = poll(EDS, ask('', ['a'])) ?? '';
    poll(EDS, ask('', ['b']));
    expect(events.filter(({ kind }) => kind === 'subscribe').at(-1)).toMatchObject({ names: 2 });
    kinds();
    // The answer about b is never taken; b is not asked about again, so that nothing is waited for.
    for (let second = 0; second < 130; second++) {
      clock.advance(1_000);
      poll(EDS, ask(a, ['a']));
    }
    expect(events.filter(({ kind }) => kind === 'subscribe').at(-1)).toMatchObject({ names: 1 });
    expect(events.at(-1)).toMatchObject({ kind: 'idle' });
  });

  it('that refuses is offered the same again after half a minute at the earliest, other content at once', () => {
    const { clock, poll, publish, events } = fixture([resource(CDS, 'a', { content: 'bad' })]);
    const bad = poll(CDS, ask('old'));
    expect(poll(CDS, ask('old', [], 'no good'))).toBeUndefined();
    clock.advance(29_000);
    expect(poll(CDS, ask('old'))).toBeUndefined();
    clock.advance(2_000);
    expect(poll(CDS, ask('old'))).toBe(bad);
    expect(poll(CDS, ask('old'))).toBeUndefined();
    publish([resource(CDS, 'a', { content: 'good' })], CDS);
    expect(poll(CDS, ask('old'))).not.toBeUndefined();
    const nacks = events.filter(({ kind }) => kind === 'nack');
    expect(nacks[0]).toMatchObject({ message: 'no good' });
    expect(nacks).toHaveLength(2);
  });

  it('refuses nothing any more when the change is taken back', () => {
    const a = resource(CDS, 'a');
    const { client, poll, publish, kinds } = fixture([a]);
    const version = poll(CDS, ask()) ?? '';
    publish([a, resource(CDS, 'b', { content: 'bad' })], CDS);
    for (let offers = 0; offers < 2; offers++) expect(poll(CDS, ask(version))).not.toBeUndefined();
    expect(poll(CDS, ask(version))).toBeUndefined();
    expect(kinds()).toContain('nack');
    publish([a], CDS);
    // It has these already; told again, control hears of it.
    expect(poll(CDS, ask(version))).toBe(version);
    expect(poll(CDS, ask(version))).toBeUndefined();
    expect(kinds()).toEqual(['due', 'sent', 'ack', 'idle']);
    expect(client.describe().resources.map(({ status }) => status)).toEqual(['synced']);
  });

  it('describes how far it is with each resource', () => {
    const a = resource(CDS, 'a');
    const { client, poll, publish } = fixture([a]);
    const lines = (): string[] =>
      client.describe().resources.map(({ name, status, held, reason = '' }) => [name, status, held, reason].join(' '));
    const version = poll(CDS, ask()) ?? '';
    expect(lines()).toEqual(['a stale  ']);
    poll(CDS, ask(version));
    poll(EDS, ask('', ['none']));
    expect(lines()).toEqual([`a synced ${a.version} `, 'none not-sent  ']);
    publish([a, resource(CDS, 'b')], CDS);
    expect(lines()[1]).toBe('b not-sent  ');
    poll(CDS, ask(version));
    poll(CDS, ask(version, [], 'b: no good'));
    expect(lines().slice(0, 2)).toEqual([`a synced ${a.version} `, 'b error  b: no good']);
  });

  it('may not ask without bound', () => {
    const { client } = fixture([]);
    for (let index = 0; index < 5_000; index++) expect(client.poll(EDS, ask('', [`c${index}`]))).not.toBe('too-many');
    expect(client.poll(EDS, ask('', ['one more']))).toBe('too-many');
  });

  it('may not take more room for names than there is for all, and gives it back', () => {
    const { clock, client, room } = fixture([], 50_000);
    expect(client.poll(EDS, ask('', ['a'.repeat(4_000), 'b']))).not.toBe('too-many');
    for (let index = 0; index < 20; index++) client.poll(EDS, ask('', [`${index}${'c'.repeat(4_000)}`]));
    expect(client.poll(EDS, ask('', ['d'.repeat(4_000)]))).toBe('too-many');
    expect(room.left).toBeGreaterThanOrEqual(0);
    clock.advance(130_000);
    expect(room.left).toBe(50_000);
  });
});
