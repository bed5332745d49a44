import { describe, expect, it } from 'vitest';
import type { Match } from '../../../../src/model/route.ts';
import { proxylessMatch } from '../../../../src/translate/proxyless/route-match.ts';

function match(parts: Partial<Match>): Omit<Match, 'provenance'> {
  return { headers: [], query: [], from: [], ...parts };
}

function header(name: string, value: Match['headers'][number]['match'], invert = false): Match['headers'][number] {
  return { name, match: value, invert };
}

describe('a match for gRPC clients', () => {
  it('takes segments apart, which clients do not know', () => {
    expect(proxylessMatch(match({ path: { prefix: '/shop.Cart' } }))).toEqual({
      matches: [{ path: '/shop.Cart' }, { prefix: '/shop.Cart/' }],
    });
    expect(proxylessMatch(match({ path: { prefix: '/' } }))).toEqual({ matches: [{ prefix: '/' }] });
    expect(proxylessMatch(match({}))).toEqual({ matches: [{ prefix: '/' }] });
  });

  it('keeps alternatives of a pattern together', () => {
    expect(proxylessMatch(match({ path: { regex: '/a|/b' } }))).toEqual({
      matches: [{ safeRegex: { regex: '(?:/a|/b)' } }],
    });
  });

  it('knows that every call is a POST without query', () => {
    expect(proxylessMatch(match({ method: 'POST' }))).toEqual({ matches: [{ prefix: '/' }] });
    expect(proxylessMatch(match({ method: 'GET' }))).toEqual({ matches: [] });
    expect(proxylessMatch(match({ query: [header('v', { exact: '2' })] }))).toEqual({ matches: [] });
    expect(proxylessMatch(match({ query: [header('v', { exact: '2' }, true)] }))).toEqual({
      matches: [{ prefix: '/' }],
    });
  });

  it('writes names as metadata keys are compared, in lower case', () => {
    expect(proxylessMatch(match({ headers: [header('X-Group', { suffix: 'a' })] }))).toEqual({
      matches: [{ prefix: '/', headers: [{ name: 'x-group', suffixMatch: 'a' }] }],
    });
  });

  it('lets an inverted match hold where the header is missing', () => {
    const missing = { name: 'x', presentMatch: true, invertMatch: true };
    expect(proxylessMatch(match({ headers: [header('x', { exact: 'a' }, true)] }))).toEqual({
      matches: [
        { prefix: '/', headers: [missing] },
        { prefix: '/', headers: [{ name: 'x', exactMatch: 'a', invertMatch: true }] },
      ],
    });
    expect(proxylessMatch(match({ headers: [header('x', { present: true }, true)] }))).toEqual({
      matches: [{ prefix: '/', headers: [missing] }],
    });
  });

  it('says what it leaves out', () => {
    for (const name of [':authority', 'Host', 'trace-bin'])
      expect(proxylessMatch(match({ headers: [header(name, { present: true })] }))).toEqual({
        unsaid: `a match on header "${name}"`,
      });
    const many = ['a', 'b', 'c', 'd'].map((name) => header(name, { exact: '1' }, true));
    expect(proxylessMatch(match({ headers: many }))).toEqual({ unsaid: 'so many inverted matches' });
  });
});
