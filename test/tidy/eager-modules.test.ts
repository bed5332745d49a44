// What `chancery serve` loads before it knows which registries it is to read, and what `chancery --help` loads.
// Each package costs every start time and memory: a new one is imported where it is needed, or added here knowingly.
import { describe, expect, it } from 'vitest';
import { eagerImports, lazyImports } from '../support/source-tree.ts';

interface Loaded {
  readonly files: readonly string[];
  readonly packages: readonly string[];
}

/** Everything that comes with these files by static imports. */
function loadedWith(roots: readonly string[]): Loaded {
  const files = new Set<string>();
  const packages = new Set<string>();
  const pending = [...roots];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    if (files.has(path)) continue;
    files.add(path);
    for (const { file, packageName } of eagerImports(path)) {
      if (file !== undefined) pending.push(file);
      if (packageName !== undefined) packages.add(packageName);
    }
  }
  return { files: [...files].sort(), packages: [...packages].sort() };
}

/** main.ts loads it as its first deed. */
const commandLine = 'src/cli/program.ts';
const start = loadedWith(['src/main.ts', commandLine]);
const plane = 'src/cli/plane.ts';
const serve = loadedWith([
  'src/main.ts',
  commandLine,
  ...[...lazyImports('src/main.ts'), ...lazyImports(plane)].filter((file) => !/^src\/(demo|sources)\//.test(file)),
]);

describe('what is loaded at once', () => {
  it('by any command', () => {
    expect(start.packages).toEqual(['commander', 'yaml', 'zod']);
  });

  it('by serve', () => {
    expect(serve.packages).toEqual([
      '@bufbuild/protobuf',
      'commander',
      'fastify',
      'pino',
      'prom-client',
      're2js',
      'yaml',
      'zod',
    ]);
  });

  it('never includes a registry that is not configured, or the demo', () => {
    expect(serve.files.filter((file) => /^src\/(demo|sources\/(consul|etcd|dns|dev-registry))\//.test(file))).toEqual(
      [],
    );
  });
});
