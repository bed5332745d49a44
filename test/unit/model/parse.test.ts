import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDocument } from '../../../src/model/parse.ts';
import { propertyRuns } from '../../support/property-runs.ts';

function parse(text: string) {
  return parseDocument({ path: 'o.yaml', text }, 'files');
}

const service = (name: string): string =>
  `apiVersion: chancery/v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {}\n`;

describe('parseDocument', () => {
  it('gives every object of a text with key, text and offsets', () => {
    const text = `# first\n${service('a')}---\n# second\n${service('b')}...\n`;
    const { objects, problems } = parse(text);
    expect(problems).toEqual([]);
    expect(objects.map(({ key }) => key)).toEqual(['chancery/Service/default/a', 'chancery/Service/default/b']);
    for (const object of objects) expect(text.slice(object.start, object.end)).toBe(object.text);
    expect(objects[1]?.text).toBe(`# second\n${service('b')}`);
    expect(objects[1]?.provenance).toEqual({
      source: 'files',
      file: 'o.yaml',
      line: 8,
      column: 1,
      object: 'Service default/b',
    });
  });

  it('takes an empty text, comments and directives for no object', () => {
    for (const text of ['', '\n\n', '# only a comment\n', '---\n---\n', '%YAML 1.2\n---\n# nothing\n', '\ufeff'])
      expect(parse(text)).toMatchObject({ objects: [], problems: [] });
  });

  it('reads Windows line ends, a byte order mark, inline documents and JSON', () => {
    expect(
      parse(`${service('a').replaceAll('\n', '\r\n')}---\r\n${service('b').replaceAll('\n', '\r\n')}`).objects,
    ).toHaveLength(2);
    expect(parse(`\ufeff${service('a')}`).objects).toHaveLength(1);
    expect(parse(`--- {apiVersion: chancery/v1, kind: Service, metadata: {name: a}, spec: {}}\n`).objects).toHaveLength(
      1,
    );
    expect(
      parse('{"apiVersion":"chancery/v1","kind":"Service","metadata":{"name":"a"},"spec":{}}').objects,
    ).toHaveLength(1);
  });

  it('takes durations, defaults of the format and creation into the object', () => {
    const text =
      'apiVersion: chancery/v1\nkind: Service\nmetadata: {name: a, namespace: prod, creationTimestamp: 2026-01-31T12:00:00Z}\n' +
      'spec: {timeouts: {connect: 1.5s, request: 2m, idle: 0s}}\n';
    const { objects } = parseDocument({ path: 'k', text, created: 7 }, 'etcd');
    expect(objects[0]).toMatchObject({
      key: 'chancery/Service/prod/a',
      created: 7,
      createdMs: Date.UTC(2026, 0, 31, 12),
      spec: { timeouts: { connect: 1500, request: 120_000, idle: 0 } },
    });
  });

  it('points at a value, at the key of a collection, and at the nearest ancestor of what is missing', () => {
    const [object] = parse(
      'apiVersion: chancery/v1\nkind: Route\nmetadata: {name: a}\nspec:\n  hosts: [x.example]\n  rules:\n  - to:\n    - {service: web}\n',
    ).objects;
    const place = (path: readonly PropertyKey[]) => {
      const { line, column } = object?.at(path) ?? {};
      return [line, column];
    };
    expect(place(['spec', 'rules', 0, 'to', 0, 'service'])).toEqual([8, 17]);
    expect(place(['spec', 'rules', 0, 'to'])).toEqual([7, 5]);
    expect(place(['spec', 'rules', 0, 'to', 0, 'weight'])).toEqual([8, 7]);
    expect(place(['spec', 'gateways'])).toEqual([4, 1]);
  });

  it('keeps the position of every rule when one is refused', () => {
    const { objects } = parse(
      'apiVersion: chancery/v1\nkind: Route\nmetadata: {name: a}\nspec:\n  hosts: [x.example]\n  rules:\n  - {to: []}\n  - {to: [{service: web}]}\n',
    );
    expect(objects[0]?.spec).toMatchObject({ rules: [null, { to: [{ service: 'web' }] }] });
  });

  it('bounds the size of a text, the depth and the number of keys without long work', () => {
    const wide = `${Array.from({ length: 5_000 }, (_, index) => `k${index}: 1`).join('\n')}\n`;
    expect(parse(wide).problems).toHaveLength(1);
    expect(parse('a'.repeat(300_000)).problems[0]?.code).toBe('CH1009');
    expect(parse('['.repeat(500_000)).problems[0]?.code).toBe('CH1009');
    expect(parse(`${'- '.repeat(100_000)}a`).problems).toHaveLength(1);
    expect(parse(`${'a: {'.repeat(900)}${'}'.repeat(900)}`).problems).toHaveLength(1);
    const hosts = Array.from({ length: 300 }, (_, index) => `h${index}.example`).join(', ');
    const { problems } = parse(
      `apiVersion: chancery/v1\nkind: Service\nmetadata: {name: a}\nspec: {hosts: [${hosts}]}\n`,
    );
    expect(problems.map(({ code, message }) => [code, message])).toEqual([
      ['CH1009', '"spec.hosts" must have at most 256 entries'],
    ]);
  });

  it('says at most 32 things about one object', () => {
    const bad = Array.from({ length: 200 }, () => '"a b"').join(', ');
    expect(
      parse(`apiVersion: chancery/v1\nkind: Service\nmetadata: {name: a}\nspec: {hosts: [${bad}]}\n`).problems,
    ).toHaveLength(32);
  });

  it('never throws, whatever the text', () => {
    const fragment = fc.constantFrom(
      ...[
        'apiVersion: chancery/v1\n',
        'kind: Route\n',
        'kind: Service\n',
        'metadata: {name: a}\n',
        'spec:\n',
        '  hosts: [a]\n',
      ],
      ...[
        '  rules:\n',
        '  - to: [{service: a}]\n',
        '---\n',
        '...\n',
        '- ',
        '? ',
        ': ',
        '&a ',
        '*a',
        '{',
        '}',
        '[',
        ']',
        '"',
        "'",
      ],
      ...[
        '|\n',
        '>\n',
        '\t',
        '# c\n',
        '!!binary ',
        '!x ',
        '%TAG ! !\n',
        '__proto__: 1\n',
        '<<: *a\n',
        '\0',
        '\ud800',
        '~\n',
      ],
    );
    const text = fc.oneof(
      fc.array(fragment, { maxLength: 30 }).map((parts) => parts.join('')),
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.json().map((json) => `apiVersion: chancery/v1\nkind: Route\nmetadata: ${json}\nspec: ${json}\n`),
    );
    fc.assert(
      fc.property(text, (given) => {
        const { objects, problems } = parse(given);
        for (const object of objects) expect(given.slice(object.start, object.end)).toBe(object.text);
        for (const { at } of problems) expect(at.line >= 1 && at.column >= 1).toBe(true);
      }),
      { numRuns: propertyRuns(100) },
    );
  });

  it('never throws on a known kind with any spec', () => {
    const kind = fc.constantFrom(
      ...['chancery/v1 Service', 'chancery/v1 Route', 'chancery/v1 Gateway', 'chancery/v1 Mesh'],
      ...['v1 Service', 'linkerd.io/v1 Service', 'linkerd.io/v1 Route'],
    );
    const key = fc.constantFrom(
      'hosts',
      'rules',
      'to',
      'match',
      'path',
      'service',
      'listeners',
      'subsets',
      'from',
      'health',
    );
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom(null, true, 0, -1, 1e300, '', 'a', '/', '2s', '(', '$&'),
        fc.array(tie('any'), { maxLength: 3 }),
        fc.dictionary(key, tie('any'), { maxKeys: 4 }),
      ),
    })).any;
    fc.assert(
      fc.property(kind, value, (name, spec) => {
        const [apiVersion, what] = name.split(' ');
        const { objects, problems } = parse(JSON.stringify({ apiVersion, kind: what, metadata: { name: 'a' }, spec }));
        expect(objects.length + problems.length).toBeGreaterThan(0);
      }),
      { numRuns: propertyRuns(100) },
    );
  });
});
