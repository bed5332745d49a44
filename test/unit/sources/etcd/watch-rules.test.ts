import { describe, expect, it } from 'vitest';
import { keyValue } from '../../../../src/sources/etcd/key-range.ts';
import { positionAfter } from '../../../../src/sources/etcd/watch-stream.ts';
import { prefixRange } from '../../../../src/util/etcd/key-range.ts';

const answer = (header: string, events: readonly string[] = [], created = false) => ({
  header: { revision: header },
  created,
  events: events.map((mod_revision) => ({ kv: { mod_revision } })),
});

describe('the position of a watch', () => {
  it('is that of the last event, not of the header, which runs ahead of a catch-up sent in parts', () => {
    expect(positionAfter(10n, answer('500', ['11', '12', '13']))).toBe(13n);
  });
  it('is the header of a progress notice', () => {
    expect(positionAfter(10n, answer('500'))).toBe(500n);
  });
  it('does not move when the watch is created', () => {
    expect(positionAfter(10n, answer('500', [], true))).toBe(10n);
  });
  it('never goes back', () => {
    expect(positionAfter(10n, answer('7'))).toBe(10n);
    expect(positionAfter(10n, answer('7', ['6']))).toBe(10n);
  });
  it('is exact beyond what a double holds', () => {
    expect(positionAfter(1n, answer('9007199254740993'))).toBe(9007199254740993n);
  });
});

describe('the range of a prefix', () => {
  const end = (prefix: string | Buffer) => prefixRange(prefix.toString()).end;
  it('ends before the next prefix of that length', () => {
    expect(end('/services/').toString()).toBe('/services0');
  });
  it('of nothing is every key', () => {
    expect(prefixRange('')).toEqual({ start: Buffer.of(0), end: Buffer.of(0) });
  });
  it('carries over the last character of a byte', () => {
    expect(end('a\u00bf')).toEqual(Buffer.from([0x61, 0xc2, 0xc0]));
  });
});

describe('a key and value', () => {
  it('are text below the prefix, with exact revisions', () => {
    const raw = {
      key: Buffer.from('/s/grüße'),
      value: Buffer.from('x'),
      create_revision: '9007199254740993',
      mod_revision: '9007199254740995',
      lease: '0',
    };
    expect(keyValue(raw, '/s/')).toEqual({
      key: 'grüße',
      value: 'x',
      created: 9007199254740993n,
      modified: 9007199254740995n,
      leased: false,
    });
  });
});
