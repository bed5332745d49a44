// The project's own files and what they import, for the tidy tests.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

export const projectRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

export const readProject = (path: string): string => readFileSync(join(projectRoot, path), 'utf8');

const IGNORED = new Set(['node_modules', 'dist', '.git', '.chancery', 'coverage', 'gen']);

/** Paths relative to the project's root, with `/`, of all files below `folder` (`''` for the whole project). */
export function projectFiles(folder: string): string[] {
  const found: string[] = [];
  const walk = (path: string): void => {
    for (const entry of readdirSync(join(projectRoot, path), { withFileTypes: true })) {
      if (IGNORED.has(entry.name)) continue;
      const child = path === '' ? entry.name : `${path}/${entry.name}`;
      if (entry.isDirectory()) walk(child);
      else if (entry.isFile()) found.push(child);
    }
  };
  if (statSync(join(projectRoot, folder), { throwIfNoEntry: false }) !== undefined) walk(folder);
  return found.sort();
}

export const sourceFiles = (): string[] => projectFiles('src').filter((path) => path.endsWith('.ts'));

export interface Import {
  /** As written: `../util/clock.ts`, `node:fs`, `zod`. */
  readonly specifier: string;
  /** Relative to the project's root when it is one of our files. */
  readonly file?: string;
  /** The package's name, for a bare specifier that is no Node module. */
  readonly packageName?: string;
}

function resolved(specifier: string, path: string): Import {
  if (specifier.startsWith('.'))
    return {
      specifier,
      file: relative(projectRoot, resolve(projectRoot, dirname(path), specifier)).replaceAll('\\', '/'),
    };
  if (specifier.startsWith('node:')) return { specifier };
  const parts = specifier.split('/');
  return { specifier, packageName: specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? specifier) };
}

/** Every import of a file: static, type-only, dynamic, re-export. */
export function allImports(path: string, text = readProject(path)): Import[] {
  return ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => resolved(fileName, path));
}

/**
 * What is loaded together with a file: static imports and re-exports that are not type-only.
 * `import { type A } from` stays at run time (verbatimModuleSyntax), so it counts.
 */
export function eagerImports(path: string, text = readProject(path)): Import[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, false);
  const found: Import[] = [];
  for (const statement of source.statements) {
    const typeOnly =
      (ts.isImportDeclaration(statement) && statement.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword) ||
      (ts.isExportDeclaration(statement) && statement.isTypeOnly);
    const specifier =
      ts.isImportDeclaration(statement) || ts.isExportDeclaration(statement) ? statement.moduleSpecifier : undefined;
    if (!typeOnly && specifier !== undefined && ts.isStringLiteral(specifier))
      found.push(resolved(specifier.text, path));
  }
  return found;
}

/** Our files that a file loads only when asked, by `import()`. */
export function lazyImports(path: string): string[] {
  const found: string[] = [];
  visitNodes(path, (node) => {
    if (!ts.isCallExpression(node) || node.expression.kind !== ts.SyntaxKind.ImportKeyword) return;
    const [specifier] = node.arguments;
    const file = specifier && ts.isStringLiteral(specifier) ? resolved(specifier.text, path).file : undefined;
    if (file !== undefined) found.push(file);
  });
  return found;
}

/** Calls `visit` for every node of a file. */
export function visitNodes(path: string, visit: (node: ts.Node, source: ts.SourceFile) => void): void {
  const source = ts.createSourceFile(path, readProject(path), ts.ScriptTarget.Latest, true);
  const walk = (node: ts.Node): void => {
    visit(node, source);
    ts.forEachChild(node, walk);
  };
  walk(source);
}

/** `path:line` of a node. */
export function positionOf(node: ts.Node, source: ts.SourceFile): string {
  return `${source.fileName}:${source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1}`;
}

/** Rows of the markdown table whose header row starts with these cells; cells trimmed. */
export function markdownTable(page: string, header: readonly string[]): string[][] {
  const lines = readProject(page).split('\n');
  const cells = (line: string): string[] =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
  const start = lines.findIndex(
    (line) => line.startsWith('|') && header.every((name, index) => cells(line)[index] === name),
  );
  if (start < 0) throw new Error(`${page} has no table with the columns ${header.join(', ')}`);
  const rows: string[][] = [];
  for (let index = start + 2; lines[index]?.startsWith('|'); index++) rows.push(cells(lines[index] ?? ''));
  return rows;
}

/** What stands in backticks in a cell. */
export const backticked = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '');
