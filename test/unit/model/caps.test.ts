// T9: every text, list, map and number that a user or a caller of the API can write has an upper bound, read from the schemas
// themselves: a new field without one fails here.
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createRoutes } from '../../../src/admin/routes.ts';
import { kinds } from '../../../src/model/kinds.ts';

interface Node {
  readonly type?: string | readonly string[];
  readonly [key: string]: unknown;
}

/** A pattern that bounds its text: anchored on both ends, and nothing in it repeats without end. */
const bounding = (pattern: unknown): boolean =>
  typeof pattern === 'string' && /^\^.*\$$/s.test(pattern) && !/(?:[^\\])(?:[*+]|\{\d+,\})/.test(pattern);

/** Paths of what has no bound. */
function uncapped(node: unknown, at: string): string[] {
  if (Array.isArray(node)) return node.flatMap((child, index) => uncapped(child, `${at}[${index}]`));
  if (node === null || typeof node !== 'object') return [];
  const { type, maxLength, maxItems, pattern, additionalProperties } = node as Node;
  const fixed = 'enum' in node || 'const' in node;
  const own = [
    ...(type === 'string' && !fixed && maxLength === undefined && !bounding(pattern) ? [`${at}: text`] : []),
    ...(type === 'array' && maxItems === undefined ? [`${at}: list`] : []),
    ...(type === 'object' && typeof additionalProperties === 'object' && !('propertyNames' in node)
      ? [`${at}: keys`]
      : []),
    ...(type === 'object' && additionalProperties === undefined && !('properties' in node) ? [`${at}: anything`] : []),
  ];
  return [...own, ...Object.entries(node).flatMap(([key, child]) => uncapped(child, `${at}/${key}`))];
}

const schemaOf = (schema: z.ZodType): unknown => z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });

describe('T9: caps', () => {
  it.each(kinds.map((kind) => [`${kind.apiVersion} ${kind.kind}`, kind.schema] as const))(
    '%s has one for every text, list and map',
    (_name, schema) => {
      expect(uncapped(schemaOf(schema), '')).toEqual([]);
    },
  );

  it('would notice one that is missing', () => {
    const schema = z.strictObject({
      text: z.string(),
      starred: z.string().regex(/^a*$/),
      open: z.string().regex(/a{1,3}/),
      list: z.array(z.boolean()),
      map: z.record(z.string().max(3), z.boolean()),
      bounded: z.string().regex(/^\d{1,9}(?:ms|s)$/),
      capped: z.array(z.string().max(4)).max(2),
    });
    expect(uncapped(schemaOf(schema), '')).toEqual([
      '/properties/text: text',
      '/properties/starred: text',
      '/properties/open: text',
      '/properties/list: list',
    ]);
  });

  it('are of 1024 characters for a regex, with a clear error and no work for a longer one', () => {
    const regexes = [
      (regex: string) => ({ match: [{ path: { regex } }], to: [{ service: 'a' }] }),
      (regex: string) => ({ match: [{ headers: [{ name: 'x', regex }] }], to: [{ service: 'a' }] }),
      (regex: string) => ({ match: [{ query: [{ name: 'x', regex }] }], to: [{ service: 'a' }] }),
      (regex: string) => ({ to: [{ service: 'a' }], rewrite: { regex: { pattern: regex, substitution: '' } } }),
    ];
    const route = kinds.find(({ apiVersion, kind }) => apiVersion === 'chancery/v1' && kind === 'Route');
    const check = (rule: object) =>
      route?.schema.safeParse({
        ...{ apiVersion: 'chancery/v1', kind: 'Route', metadata: { name: 'r' } },
        spec: { hosts: ['a'], rules: [rule] },
      });
    for (const rule of regexes) {
      expect(check(rule('a'.repeat(1024)))).toMatchObject({ success: true });
      const refused = check(rule('('.repeat(1025)));
      expect(refused?.error?.issues).toMatchObject([{ code: 'too_big', maximum: 1024 }]);
    }
  });

  it('are in every parameter of the API too', () => {
    const deps = { control: {}, clock: {}, metrics: {}, logLevels: {} } as unknown as Parameters<
      typeof createRoutes
    >[0];
    const schemas = createRoutes(deps).flatMap(({ path, params, query }) =>
      [params, query].flatMap((schema) => (schema === undefined ? [] : [[path, schemaOf(schema)] as const])),
    );
    expect(schemas.length).toBeGreaterThan(8);
    expect(schemas.flatMap(([path, schema]) => uncapped(schema, path))).toEqual([]);
  });
});
