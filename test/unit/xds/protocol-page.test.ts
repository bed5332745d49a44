// docs/protocol.md cannot lie: every rule has a row, and every test it names exists and names the rule.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const root = new URL('../../../', import.meta.url);
const page = readFileSync(new URL('docs/protocol.md', root), 'utf8');
const rows = [...page.matchAll(/^\| (R\d+) \|.*\| ([^|]*) \|$/gm)].map(([, rule = '', tests = '']) => ({
  rule,
  tests,
}));

it('has one row for each of R1 to R59, and R58', () => {
  const rules = [...Array.from({ length: 59 }, (_, index) => `R${index + 1}`), 'R58'];
  expect(rows.map(({ rule }) => rule)).toEqual(rules);
});

it.each(rows.filter(({ tests }) => tests !== '-'))('$rule is named by $tests', ({ rule, tests }) => {
  for (const file of tests.split(', ')) {
    const text = readFileSync(new URL(`test/${file}`, root), 'utf8');
    expect(new RegExp(`\\b${rule}\\b`).test(text), file).toBe(true);
  }
});
