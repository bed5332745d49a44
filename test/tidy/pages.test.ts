// Pages point at what exists: every path in backticks and every relative link of every page.
import { existsSync, globSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { backticked, projectFiles, projectRoot, readProject } from '../support/source-tree.ts';

const pages = projectFiles('').filter((path) => path.endsWith('.md') && !path.startsWith('test/'));
/** Made by a command and not committed; a fresh clone may not have them yet. */
const MADE = /^(src\/gen|dist|node_modules)(\/|$)/;

function exists(path: string): boolean {
  if (MADE.test(path) || existsSync(join(projectRoot, path))) return true;
  // Places such as `src/sources/<registry>/` name a pattern.
  const pattern = path.replace(/<[^>]+>/g, '*');
  return pattern !== path || path.includes('*') ? globSync(pattern, { cwd: projectRoot }).length > 0 : false;
}

describe('pages', () => {
  it('name only paths that exist', () => {
    const missing = pages.flatMap((page) =>
      backticked(readProject(page).replace(/```[\s\S]*?```/g, ''))
        .filter((text) => /^(src|test|scripts|docs|tools|bin|bench|deploy|examples|proto|schema|\.ci)\/\S*$/.test(text))
        .filter((path) => !exists(path))
        .map((path) => `${page}: ${path}`),
    );
    expect(missing).toEqual([]);
  });

  it('link only to pages that exist', () => {
    const missing = pages.flatMap((page) =>
      [...readProject(page).matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)]*)?\)/g)]
        .map((match) => normalize(join(dirname(page), match[1] ?? '')))
        .filter((path) => !exists(path))
        .map((path) => `${page}: ${path}`),
    );
    expect(missing).toEqual([]);
  });

  it('of decisions are numbered without gaps and short', () => {
    const decisions = projectFiles('docs/decisions').filter((path) => path.endsWith('.md'));
    expect(decisions.map((path) => Number(path.split('/').at(-1)?.slice(0, 4)))).toEqual(
      decisions.map((_, index) => index + 1),
    );
    for (const path of decisions) expect(readProject(path).split('\n').length, path).toBeLessThanOrEqual(81);
  });
});
