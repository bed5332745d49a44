// Random values of a JSON Schema: what a user could write, and Chancery's own schema lets through.
// Keys that exclude each other are told by `exclusive`; names that are to meet each other come from `pools`.
import fc from 'fast-check';

export interface JsonSchema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly $ref?: string;
  readonly definitions?: Readonly<Record<string, JsonSchema>>;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
  readonly minItems?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
}

export interface SchemaPools {
  /** By the key a value stands under, and, first, by the key before it and it: `match.from`. */
  readonly pools: Readonly<Record<string, fc.Arbitrary<unknown>>>;
  /** Of each group one key is kept; `needed`: one is always there. */
  readonly exclusive: readonly { readonly keys: readonly string[]; readonly needed: boolean }[];
}

function text({ pattern, minLength = 0, maxLength = 1024 }: JsonSchema): fc.Arbitrary<unknown> {
  if (pattern === undefined) return fc.string({ minLength, maxLength: Math.min(maxLength, 12), unit: 'grapheme' });
  return fc.stringMatching(new RegExp(pattern), { size: 'xsmall' }).filter((value) => value.length <= maxLength);
}

function number({ minimum = 0, maximum = 1000 }: JsonSchema): fc.Arbitrary<unknown> {
  return fc.oneof(fc.integer({ min: minimum, max: maximum }), fc.constantFrom(minimum, maximum));
}

export function schemaArbitrary(
  schema: JsonSchema,
  options: SchemaPools,
  path: readonly string[] = [],
): fc.Arbitrary<unknown> {
  const [before = '', key = ''] = path.slice(-2).length === 2 ? path.slice(-2) : ['', ...path];
  const pool = options.pools[`${before}.${key}`] ?? options.pools[key];
  if (pool !== undefined) return pool;
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map((one) => schemaArbitrary(one, options, path)));
  switch (schema.type) {
    case 'string':
      return text(schema);
    case 'integer':
    case 'number':
      return number(schema);
    case 'boolean':
      return fc.boolean();
    case 'array': {
      const item = schemaArbitrary(schema.items ?? {}, options, [...path, 'items']);
      return fc.array(item, { minLength: schema.minItems ?? 0, maxLength: Math.max(schema.minItems ?? 0, 3) });
    }
    case 'object':
      return objectArbitrary(schema, options, path);
    default:
      throw new TypeError(`no arbitrary for ${JSON.stringify(schema)} at ${path.join('.')}`);
  }
}

function objectArbitrary(schema: JsonSchema, options: SchemaPools, path: readonly string[]): fc.Arbitrary<unknown> {
  const { properties, required = [], additionalProperties } = schema;
  if (properties === undefined) {
    const value =
      typeof additionalProperties === 'object' ? schemaArbitrary(additionalProperties, options, path) : fc.string();
    return fc.dictionary(fc.stringMatching(/^[a-z][a-z0-9-]{0,6}$/), value, { maxKeys: 2 });
  }
  const groups = options.exclusive.filter(({ keys }) => keys.filter((name) => name in properties).length > 1);
  const made = Object.fromEntries(
    Object.entries(properties).map(([name, one]) => [name, schemaArbitrary(one, options, [...path, name])]),
  );
  return fc
    .tuple(
      fc.record(made),
      fc.array(fc.nat(), { minLength: groups.length, maxLength: groups.length }),
      fc.infiniteStream(fc.nat(99)),
    )
    .map(([all, choices, luck]) => {
      const kept = new Set(Object.keys(all).filter((name) => required.includes(name) || (luck.next().value ?? 0) < 35));
      for (const [index, { keys, needed }] of groups.entries()) {
        const there = keys.filter((name) => name in all);
        const some = there.some((name) => kept.has(name));
        for (const name of there) kept.delete(name);
        const chosen = there[(choices[index] ?? 0) % there.length];
        if ((needed || some) && chosen !== undefined) kept.add(chosen);
      }
      return Object.fromEntries(Object.entries(all).filter(([name]) => kept.has(name)));
    });
}
