// The table of error codes, its page, and its uses: each code documented, each used, each with a hint.
import { describe, expect, it } from 'vitest';
import { errorsPage } from '../../scripts/errors-page.mjs';
import { errorCodes } from '../../src/util/error-codes.ts';
import { readProject, sourceFiles } from '../support/source-tree.ts';

describe('error codes', () => {
  it('have a title, a hint, and stand in order', () => {
    const codes = Object.keys(errorCodes);
    expect(codes).toEqual([...codes].sort());
    for (const [code, { title, hint }] of Object.entries(errorCodes)) {
      expect(code).toMatch(/^CH1[0-8]\d\d$/);
      expect(title.length, code).toBeGreaterThan(10);
      expect(hint, code).toMatch(/\.$/);
      expect(title, code).not.toMatch(/\.$/);
    }
  });

  it('are the page docs/errors.md, word for word (npm run gen writes it)', () => {
    expect(readProject('docs/errors.md')).toBe(errorsPage(errorCodes));
  });

  it('are all used, and no other is', () => {
    const used = new Set<string>();
    for (const path of sourceFiles().filter((file) => file !== 'src/util/error-codes.ts'))
      for (const match of readProject(path).matchAll(/\bCH1\d{3}\b/g)) used.add(match[0]);
    const known = Object.keys(errorCodes);
    expect(
      known.filter((code) => !used.has(code)),
      'in the table, but nothing reports it',
    ).toEqual([]);
    expect(
      [...used].filter((code) => !known.includes(code)),
      'reported, but not in the table',
    ).toEqual([]);
  });
});
