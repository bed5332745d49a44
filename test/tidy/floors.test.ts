// The floor table of ARCHITECTURE.md against the real imports of every file under src, types included.
import { describe, expect, it } from 'vitest';
import { allImports, backticked, markdownTable, readProject, sourceFiles } from '../support/source-tree.ts';

/** `2` is above `1b`, which is above `1a`. */
const heightOf = (floor: string): number => Number.parseInt(floor, 10) + (floor.endsWith('b') ? 0.5 : 0);
const floors = new Map(
  markdownTable('ARCHITECTURE.md', ['floor', 'folders', 'knows']).flatMap(([floor = '', folders = '']) =>
    backticked(folders).map((folder) => [folder, heightOf(floor)] as const),
  ),
);
const doors = new Map(
  markdownTable('ARCHITECTURE.md', ['package', 'only in']).map(([name = '', places = '']) => [
    backticked(name)[0] ?? '',
    backticked(places),
  ]),
);
/** `src/model/world.ts` -> `model`; `src/main.ts` -> `main.ts`. */
const roomOf = (path: string): string => path.split('/')[1] ?? '';

/** Why `path` may not import `target`, or undefined. */
function breach(path: string, target: string): string | undefined {
  if (!target.startsWith('src/')) return `${path} imports ${target}, which is outside src`;
  const [from, to] = [roomOf(path), roomOf(target)];
  if (from === to) return undefined;
  const [own, other] = [floors.get(from), floors.get(to)];
  if (own === undefined) return `${path}: the folder ${from} is on no floor of ARCHITECTURE.md`;
  if (other === undefined) return `${target}: the folder ${to} is on no floor of ARCHITECTURE.md`;
  if (other < own) return undefined;
  return `${path} (${from}, floor ${own}) imports ${target} (${to}, floor ${other})`;
}

/** node:net has pure functions too: whether a text is an IP address. */
function onlyChecksAddresses(path: string): boolean {
  const names = /import \{([^}]*)\} from 'node:net'/.exec(readProject(path))?.[1] ?? 'everything';
  return names.split(',').every((name) => /^\s*isIP(v4|v6)?\s*$/.test(name));
}

describe('floors', () => {
  it('lists every folder of src', () => {
    expect([...new Set(sourceFiles().map(roomOf))].filter((room) => !floors.has(room))).toEqual([]);
  });

  it('are kept by every import', () => {
    const breaches = sourceFiles().flatMap((path) =>
      allImports(path)
        .map(({ file }) => (file === undefined ? undefined : breach(path, file)))
        .filter((text) => text !== undefined),
    );
    expect(breaches).toEqual([]);
  });

  it('let `resources` know only positions and Problems of `model`', () => {
    const known = ['src/model/provenance.ts', 'src/model/problem.ts'];
    const found = sourceFiles()
      .filter((path) => roomOf(path) === 'resources')
      .flatMap((path) => allImports(path).flatMap(({ file }) => (file === undefined ? [] : [{ path, file }])))
      .filter(({ file }) => roomOf(file) === 'model' && !known.includes(file));
    expect(found).toEqual([]);
  });

  it('would notice a step up, a step sideways, a dynamic import and a type import', () => {
    expect(breach('src/model/a.ts', 'src/control/b.ts')).toContain('floor 3');
    expect(breach('src/xds/a.ts', 'src/translate/b.ts')).toContain('floor 2');
    expect(breach('src/control/a.ts', 'src/xds/b.ts')).toBeUndefined();
    const text =
      "import type { A } from '../cli/a.ts'; export * from '../cli/c.ts'; const b = () => import('../cli/b.ts');";
    expect(allImports('src/model/x.ts', text).map(({ file }) => file)).toEqual(
      expect.arrayContaining(['src/cli/a.ts', 'src/cli/b.ts', 'src/cli/c.ts']),
    );
  });

  it('keep I/O out of the pure folders', () => {
    const forbidden =
      /^node:(fs|net|tls|http|http2|https|dns|dgram|child_process|worker_threads|timers|process|cluster|os|readline)(\/|$)/;
    const pure = sourceFiles().filter(
      (path) => /^src\/(model|resources|translate)\//.test(path) || /^src\/xds\/[^/]+\.ts$/.test(path),
    );
    const found = pure.flatMap((path) =>
      allImports(path)
        .filter(
          ({ specifier }) => forbidden.test(specifier) && !(specifier === 'node:net' && onlyChecksAddresses(path)),
        )
        .map(({ specifier }) => `${path} imports ${specifier}`),
    );
    expect(found).toEqual([]);
  });
});

describe('packages', () => {
  it('appear only behind their door', () => {
    const found = sourceFiles().flatMap((path) =>
      allImports(path).flatMap(({ packageName }) => {
        if (packageName === undefined) return [];
        const places = doors.get(packageName);
        if (places === undefined) return [`${path} imports ${packageName}, which ARCHITECTURE.md does not list`];
        if (places.some((place) => path === place || path.startsWith(`${place}/`))) return [];
        return [`${path} imports ${packageName}, which belongs to ${places.join(', ')}`];
      }),
    );
    expect(found).toEqual([]);
  });

  it('of package.json are all listed, and no others', () => {
    const { dependencies } = JSON.parse(readProject('package.json')) as { dependencies: Record<string, string> };
    expect([...doors.keys()].sort()).toEqual(Object.keys(dependencies).sort());
  });
});
