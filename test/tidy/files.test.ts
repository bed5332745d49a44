// Size, names and first lines of the source files, and marks that must not stay in the tree.
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { positionOf, projectFiles, readProject, sourceFiles, visitNodes } from '../support/source-tree.ts';

/** Files that may be longer than the hard limit, each with the reason why it is one idea. */
const LONG_FILES: Readonly<Record<string, string>> = {
  'src/util/error-codes.ts': 'one table, read by looking up, generated into docs/errors.md',
};
const SMELL_LINES = 300;
const LIMIT_LINES = 500;
const MEDIAN_LINES = 120;

const linesOf = (path: string): number => readProject(path).split('\n').length - 1;

describe('size', () => {
  it(`is at most ${LIMIT_LINES} lines a file`, () => {
    const long = sourceFiles().filter((path) => linesOf(path) > LIMIT_LINES && !(path in LONG_FILES));
    expect(long.map((path) => `${path}: ${linesOf(path)} lines`)).toEqual([]);
  });

  it(`has a median of at most ${MEDIAN_LINES} lines`, () => {
    const lines = sourceFiles()
      .map(linesOf)
      .sort((a, b) => a - b);
    expect(lines[Math.floor(lines.length / 2)] ?? 0).toBeLessThanOrEqual(MEDIAN_LINES);
  });

  it(`names the files above ${SMELL_LINES} lines`, ({ annotate }) => {
    const smells = sourceFiles().filter((path) => linesOf(path) > SMELL_LINES && !(path in LONG_FILES));
    const share = smells.length / sourceFiles().length;
    // A warning by name; it fails only when it has become a habit.
    expect(share, smells.map((path) => `${path}: ${linesOf(path)}`).join(', ')).toBeLessThan(0.1);
    return smells.length > 0
      ? annotate(`over ${SMELL_LINES} lines: ${smells.join(', ')}`, 'warning').then(() => {})
      : undefined;
  });

  it('allows no exception that is not needed any more', () => {
    const present = new Set(sourceFiles());
    expect(Object.keys(LONG_FILES).filter((path) => !present.has(path))).toEqual([]);
  });
});

describe('first lines', () => {
  it('say what the file is', () => {
    const bare = sourceFiles().filter(
      (path) => !/^(#!.*\n)?(\/\/ \S.{20,}|\/\*\*?[\s\S]{20,})/.test(readProject(path)),
    );
    expect(bare).toEqual([]);
  });
});

describe('names', () => {
  const code = (): string[] =>
    ['src', 'test', 'scripts', 'bench', 'bin'].flatMap(projectFiles).filter((path) => /\.(ts|mts|mjs)$/.test(path));

  it('are kebab-case', () => {
    const odd = code().filter((path) =>
      path.split('/').some((part) => !/^[a-z0-9]+(-[a-z0-9]+)*(\.(test|config|d))*(\.(ts|mts|mjs))?$/.test(part)),
    );
    expect(odd).toEqual([]);
  });

  it('say what is inside', () => {
    const banned = /(^|\/|-)(utils|util|helpers?|common|misc|managers?|shared|base|stuff)(-|\.|$)/;
    // A word of Envoy's, and the floor.
    const known = (path: string): string =>
      path.replace('http-connection-manager', '').replace(/^(src|test\/unit)\/util\//, '');
    expect(code().filter((path) => banned.test(known(path)))).toEqual([]);
  });

  it('are exported by name: no default exports, no barrels in src', () => {
    const found: string[] = [];
    for (const path of sourceFiles()) {
      visitNodes(path, (node, source) => {
        if (ts.isExportAssignment(node)) found.push(positionOf(node, source));
        if (ts.isExportDeclaration(node) && (node.exportClause === undefined || path.endsWith('/index.ts')))
          found.push(positionOf(node, source));
      });
    }
    expect(found).toEqual([]);
  });
});

describe('time', () => {
  it('is never read by `new Date()` in src: the Clock tells it', () => {
    const found: string[] = [];
    for (const path of sourceFiles().filter((file) => file !== 'src/main.ts' && file !== 'src/util/system-clock.ts'))
      visitNodes(path, (node, source) => {
        if (!ts.isNewExpression(node) || !ts.isIdentifier(node.expression)) return;
        if (node.expression.text === 'Date' && (node.arguments?.length ?? 0) === 0)
          found.push(`${positionOf(node, source)}: use new Date(clock.wall())`);
      });
    expect(found).toEqual([]);
  });
});

describe('marks', () => {
  const text = (folders: readonly string[]): string[] =>
    folders.flatMap(projectFiles).filter((path) => /\.(ts|mts|mjs|md|yaml|yml|json|sh)$/.test(path));
  const linesMatching = (paths: readonly string[], pattern: RegExp): string[] =>
    paths.flatMap((path) =>
      readProject(path)
        .split('\n')
        .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
    );
  // Written in pieces, so that this file does not find itself.
  const word = (...pieces: string[]): string => pieces.join('');

  it('of unfinished work are not in the tree', () => {
    const pattern = new RegExp(
      `\\b(${word('TO', 'DO')}|${word('FIX', 'ME')}|${word('XX', 'X')}|${word('HA', 'CK')})\\b`,
    );
    expect(linesMatching(text(['src', 'test', 'scripts', 'bin', 'bench', 'examples', 'docs']), pattern)).toEqual([]);
  });

  it('of tests left out are not in the tree', () => {
    const pattern = /\b(it|test|describe)\.(only|skip|todo|fails)\b/;
    // What skips says why in the test's own name, which the runner prints at the end.
    const silent = linesMatching(text(['test']), pattern).filter((line) => !line.includes('[skipped: '));
    expect(silent).toEqual([]);
  });

  it('of papers that a reader of this project does not have are not in the tree', () => {
    const papers = new RegExp(
      `\\b${word('DES', 'IGN')}\\b|\\b(${['xds', 'landscape', 'trust', 'ux', 'peers'].join('|')})\\.md\\b|\\b(later|another) issue\\b`,
    );
    const paths = text(['src', 'scripts', 'bin', 'bench', 'examples', 'docs', 'deploy']);
    expect(linesMatching(paths, papers)).toEqual([]);
  });

  it('of one machine or one registry host are not in the tree', () => {
    const hosts = [
      'registry.npm' + 'js.org',
      'proxy.golang' + '.org',
      'sum.golang' + '.org',
      'py' + 'pi.org',
      'files.python' + 'hosted.org',
    ];
    const places = [
      word('/wo', 'rk/'),
      word('/ro', 'ot/'),
      word('/home/', '[a-z]+/'),
      word('\\.\\./sha', 'red'),
      word('\\bsha', 'red/(reference|provision|tools|DESIGN)'),
    ];
    const pattern = new RegExp([...hosts.map((host) => host.replaceAll('.', '\\.')), ...places].join('|'));
    const paths = projectFiles('').filter((path) => !/\.(sum|binpb|png|ico|woff2)$/.test(path));
    expect(linesMatching(paths, pattern)).toEqual([]);
  });
});
