import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { nextWorld } from '../../../src/model/next-world.ts';
import { parseDocument } from '../../../src/model/parse.ts';
import { problemText } from '../../../src/model/problem.ts';
import { objectSnapshot } from '../../support/objects.ts';

interface Case {
  readonly name: string;
  readonly text: string;
  readonly errors: readonly {
    readonly code: string;
    readonly line: number;
    readonly column: number;
    readonly path: string;
    readonly message: string;
  }[];
  readonly ships: readonly string[];
}

const file = new URL('../../data/malformed/objects.yaml', import.meta.url);
const cases = parse(readFileSync(file, 'utf8')) as readonly Case[];

describe('malformed objects', () => {
  it('are at least fifty, each with an error and a sibling', () => {
    expect(cases.length).toBeGreaterThanOrEqual(50);
    expect(cases.filter(({ errors, ships }) => errors.length === 0 || ships.length === 0)).toEqual([]);
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
  });

  it.each(cases)('$name', ({ text, errors, ships }) => {
    const { objects, problems } = parseDocument({ path: 'objects.yaml', text }, 'files');
    expect(objects.map(({ key }) => key)).toEqual(ships);
    const found = problems.map(({ code, path, at }) => ({ code, line: at.line, column: at.column, path }));
    expect(found).toEqual(errors.map(({ message: _, ...error }) => error));
    for (const [index, problem] of problems.entries()) {
      expect(problemText(problem)).toContain(errors[index]?.message);
      expect(problem.severity).toBe('error');
      expect(problem.at).toMatchObject({ source: 'files', file: 'objects.yaml' });
    }
  });

  it('leave a World as it was but for their problems', () => {
    const good =
      'apiVersion: chancery/v1\nkind: Route\nmetadata: {name: kept}\nspec: {hosts: [kept.example], rules: [{to: [{service: good}]}]}\n';
    const before = nextWorld(undefined, { registries: [], objects: [objectSnapshot({ 'good.yaml': good })] });
    const bad = Object.fromEntries(
      cases.map(({ text }, index) => [`bad-${index}.yaml`, text.split('\n---\n')[0] ?? '']),
    );
    const after = nextWorld(before, { registries: [], objects: [objectSnapshot({ ...bad, 'good.yaml': good })] });
    expect(after.routes.find(({ name }) => name === 'kept')).toBe(before.routes[0]);
    expect(after.problems.length).toBeGreaterThan(cases.length);
  });
});
