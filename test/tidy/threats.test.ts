// Every threat of SECURITY.md has a test that carries its number, and nothing of an object is ever fetched.
import { describe, expect, it } from 'vitest';
import { markdownTable, projectFiles, readProject, sourceFiles } from '../support/source-tree.ts';

const numbers = Array.from({ length: 24 }, (_, index) => `T${index + 1}`);

/** Numbers in the titles of a test file: `it('T4: ...'`, `describe('T8, T10: ...'`, `it.each(...)('T9: ...'`. */
function numbersOf(text: string): string[] {
  const titles = [...text.matchAll(/['"`]((?:T\d+(?:, )?)+): /g)].map((match) => match[1] ?? '');
  return titles.flatMap((title) => title.split(', '));
}

describe('threats', () => {
  it('have a test each', () => {
    const files = projectFiles('test').filter((path) => path.endsWith('.test.ts'));
    const found = new Set(files.flatMap((path) => numbersOf(readProject(path))));
    expect(numbers.filter((number) => !found.has(number))).toEqual([]);
  });

  it('stand in the table of SECURITY.md, each once', () => {
    const rows = markdownTable('SECURITY.md', ['', 'threat', 'what stands against it']);
    expect(rows.flatMap(([first = '']) => first.split(', '))).toEqual(numbers);
  });

  it('would notice a title without a number', () => {
    expect(numbersOf("it('T4: once', ...); describe('T8, T10: floods', ...); it('of T9', ...)")).toEqual([
      'T4',
      'T8',
      'T10',
    ]);
  });
});

/** Who connects to anything, and who says whereto. None of them reads objects or what a proxy says. */
const clients: Readonly<Record<string, string>> = {
  'src/ca/authority-ask.ts': 'the authority outside that chancery.yaml names',
  'src/cli/client.ts': 'the command line, to the server it is told',
  'src/cli/enrolment-client.ts': 'the command line, to the server that a join token pins',
  'src/cli/prometheus.ts': 'the command line, to the Prometheus it is told',
  'src/cli/secure-request.ts': 'the command line, to the server that a token or a folder pins',
  'src/demo/intruder.ts': "the demo's own sidecars",
  'src/demo/request.ts': "the demo's own ports",
  'src/identity/consul-ask.ts': 'the Consul that chancery.yaml names',
  'src/sources/dns/dns-registry.ts': 'name servers, from chancery.yaml',
  'src/util/bounded-request.ts': 'for those above that import it',
  'src/util/consul/access.ts': 'the Consul that chancery.yaml names',
};

/** A call that opens a connection, or a module of Node imported for more than servers and checks of addresses. */
function connects(text: string): boolean {
  const imported = [
    ...text.matchAll(/import \{([^}]*)\} from 'node:(?:https?|http2|net|tls|dns|dgram|dns\/promises)'/g),
  ];
  const names = imported.flatMap((match) =>
    (match[1] ?? '').split(',').map((name) => name.trim().split(' as ')[0] ?? ''),
  );
  return (
    /\bfetch\(/.test(text) ||
    /\bgetBuiltinModule\('node:(?:https?|http2|net|tls|dns|dgram)'\)/.test(text) ||
    /import \{[^}]*\b(?:bounded|open)Request\b[^}]*\} from '[./a-z]*bounded-request\.ts'/.test(text) ||
    names.some((name) =>
      /^(connect|createConnection|request|get|Agent|Resolver|lookup|resolve\w*|Client\w*)$/.test(name),
    )
  );
}

describe('T18: nothing is fetched that an object or a proxy names', () => {
  it('since only these connect to anything', () => {
    const found = sourceFiles().filter((path) => !path.startsWith('src/gen/') && connects(readProject(path)));
    expect(found.sort()).toEqual(Object.keys(clients).sort());
  });
});
