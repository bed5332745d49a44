import { describe, expect, it } from 'vitest';
import { createEncoder } from '../../../src/resources/encode.ts';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import { contentHash } from '../../../src/util/hash.ts';
import { testProtos } from '../../support/protos.ts';

const at = { source: 'objects', file: 'a.yaml', line: 3, column: 1, object: 'Service default/cart' };
const ref = { type: typeUrls.cluster, name: 'cart' };
const origin = { deps: [{ type: typeUrls.endpoints, name: 'cart' }], provenance: [at] };

describe('createEncoder', () => {
  it('makes a record whose version is the hash of its bytes, and counts it', () => {
    const counted = new Map<string, number>();
    const made = createEncoder(testProtos(), counted).resource(ref, { name: 'cart' }, origin);
    if (!made.ok) throw new Error(made.problem.message);
    expect(made.value).toMatchObject({ ...ref, ...origin, version: contentHash(made.value.bytes) });
    expect(counted).toEqual(new Map([['CDS', 1]]));
  });

  it.each([
    ['an unknown name', { name: 'cart', nmae: '' }, 'CH1401', 'nmae'],
    ['a broken rule', { name: 'cart', connectTimeout: '0s' }, 'CH1402', 'connectTimeout'],
  ])('turns %s into a Problem at the origin', (_what, json, code, path) => {
    const made = createEncoder(testProtos(), new Map()).resource(ref, json, origin);
    expect(made).toMatchObject({ ok: false, problem: { code, at } });
    expect(made.ok ? '' : made.problem.message).toContain(path);
  });
});
