import { describe, expect, it } from 'vitest';
import { missingRefs, missingText, portClashes } from '../../../src/resources/check.ts';
import type { Resource, ResourceRef } from '../../../src/resources/resource.ts';
import { typeUrls } from '../../../src/resources/type-urls.ts';

const resource = (name: string, deps: ResourceRef[]): Resource => ({
  type: typeUrls.listener,
  name,
  version: '',
  bytes: new Uint8Array(0),
  deps,
  provenance: [],
});

describe('missingRefs', () => {
  it('names exactly what does not exist', () => {
    const there = { type: typeUrls.routes, name: 'there' };
    const gone = { type: typeUrls.routes, name: 'gone' };
    const missing = missingRefs([resource('a', [there, gone]), resource('b', [there])], ({ name }) => name === 'there');
    expect(missing.map(missingText)).toEqual(['LDS "a" names RDS "gone", which does not exist']);
  });
});

describe('portClashes', () => {
  it('keeps the first on one address and port, wildcards included', () => {
    const at = (address: string, port: number) => ({ address, port });
    const first = at('127.0.0.1', 80);
    const other = at('127.0.0.2', 80);
    const wide = at('0.0.0.0', 80);
    const elsewhere = at('0.0.0.0', 81);
    expect([...portClashes([first, other, wide, elsewhere]).keys()]).toEqual([wide]);
    expect(portClashes([wide, first]).get(first)).toBe(wide);
    expect(portClashes([first, other, elsewhere]).size).toBe(0);
  });

  it('knows an address by whatever text it is written', () => {
    const at = (address: string) => ({ address, port: 80 });
    const pairs = [
      ['::1', '0:0:0:0:0:0:0:1'],
      ['fe80::a', 'FE80:0::000A'],
      ['127.0.0.1', '::ffff:127.0.0.1'],
      ['10.1.2.3', '::FFFF:0a01:203'],
      ['::', '127.0.0.1'],
    ] as const;
    for (const [a, b] of pairs) expect(portClashes([at(a), at(b)]).size, `${a} ${b}`).toBe(1);
    expect(portClashes([at('::1'), at('127.0.0.1'), at('::2')]).size).toBe(0);
  });
});
