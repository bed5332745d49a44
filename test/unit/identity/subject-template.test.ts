// Subjects to names: literal characters stand for themselves.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSubjectMap } from '../../../src/identity/subject-template.ts';
import { propertyParameters } from '../../support/property-runs.ts';

describe('T7: a subject', () => {
  it('without places fits itself and nothing else', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme-ascii' }), fc.string({ unit: 'grapheme-ascii' }), (rule, subject) => {
        fc.pre(!/[{}]/.test(rule));
        const names = createSubjectMap([{ subject: rule, services: ['web'] }])(subject);
        expect(names !== undefined).toBe(rule === subject);
      }),
      propertyParameters(300),
    );
  });

  it('with places fits in one way', () => {
    const map = createSubjectMap([{ subject: 'a.b/{x}:{y}', services: ['{y}|{x}'], gateways: ['{x}'] }]);
    expect(map('a.b/one:two')).toEqual({ services: ['two|one'], gateways: ['one'] });
    for (const other of ['axb/one:two', 'a.b/one:', 'a.b/:two', 'a.b/one:two:three', 'a.b/o/ne:two', 'A.b/one:two'])
      expect(map(other), other).toBeUndefined();
  });

  it('is never read as a template of what it fills', () => {
    const map = createSubjectMap([{ subject: 'x:{a}', services: ['{a}-$&-$1'] }]);
    expect(map('x:one')?.services).toEqual(['one-$&-$1']);
  });

  it('goes by the first rule that fits', () => {
    const map = createSubjectMap([
      { subject: 'x:one', services: ['first'] },
      { subject: 'x:{a}', services: ['second'] },
    ]);
    expect([map('x:one')?.services, map('x:two')?.services]).toEqual([['first'], ['second']]);
  });
});
