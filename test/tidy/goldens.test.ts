// Golden cases come in pairs: what goes in and what must come out. One without the other proves nothing.
import { describe, expect, it } from 'vitest';
import { projectFiles } from '../support/source-tree.ts';

describe('golden cases', () => {
  it('each have in.yaml and at least one expected file', () => {
    const files = projectFiles('test/golden').filter((path) => path.split('/').length > 3);
    const cases = [...new Set(files.map((path) => path.split('/').slice(0, 3).join('/')))];
    const odd = cases.filter(
      (name) => !files.includes(`${name}/in.yaml`) || !files.some((path) => path.startsWith(`${name}/expected/`)),
    );
    expect(odd).toEqual([]);
    expect(cases.length).toBeGreaterThan(0);
  });
});
