// The JSON Schema of the objects, made from the schemas that parse them: for editors and `chancery schema`.
// Draft 7, which yaml-language-server knows best. Invariant: the same text every time; keys in the order of the sources.
import { z } from 'zod';
import { errorCodes } from '../util/error-codes.ts';
import { AppError } from '../util/errors.ts';
import { didYouMean } from '../util/near-miss.ts';
import { type Kind, kinds } from './kinds.ts';

const draft = 'http://json-schema.org/draft-07/schema#';

/** The published file `schema/chancery.schema.json`, written by `npm run gen`. */
export function schemaText(): string {
  return `${JSON.stringify(jsonSchema(), null, 2)}\n`;
}

/** What `kind` may be, for people: `Route`, or `linkerd.io/v1 Route` where only one language is meant. */
export function kindNames(): readonly string[] {
  return [...new Set(kinds.flatMap(({ kind, apiVersion }) => [kind, `${apiVersion} ${kind}`]))];
}

/** The schema of one object of `kind` in all languages that have it, or of any object. Throws AppError CH1003. */
export function jsonSchema(kind?: string): object {
  const wanted = kinds.filter(
    (row) => kind === undefined || row.kind.toLowerCase() === kind.toLowerCase() || fullName(row) === kind,
  );
  if (kind !== undefined && wanted.length === 0)
    throw new AppError('CH1003', `kind "${kind}" is not known`, {
      hint: `${errorCodes.CH1003.hint}${didYouMean(kind, kindNames())}`,
    });
  const definitions = Object.fromEntries(wanted.map((row) => [definitionName(row), schemaOf(row)]));
  return {
    $schema: draft,
    title: kind === undefined ? 'Chancery objects' : `Chancery ${kind}`,
    ...(kind === undefined ? anyObject(wanted) : { anyOf: wanted.map(reference) }),
    definitions,
  };
}

/** Told apart by apiVersion and kind first, so that an editor names the mistake and not the other kinds. */
function anyObject(rows: readonly Kind[]): object {
  return {
    type: 'object',
    required: ['apiVersion', 'kind', 'metadata', 'spec'],
    properties: {
      apiVersion: { enum: [...new Set(rows.map(({ apiVersion }) => apiVersion))] },
      kind: { enum: [...new Set(rows.map((row) => row.kind))] },
    },
    allOf: rows.map((row) => ({
      if: {
        properties: { apiVersion: { const: row.apiVersion }, kind: { const: row.kind } },
        required: ['apiVersion', 'kind'],
      },
      // biome-ignore lint/suspicious/noThenProperty: a JSON Schema keyword
      then: reference(row),
    })),
  };
}

function fullName({ apiVersion, kind }: Kind): string {
  return `${apiVersion} ${kind}`;
}

function definitionName({ group, kind }: Kind): string {
  return `${group}.${kind}`;
}

function reference(row: Kind): object {
  return { $ref: `#/definitions/${definitionName(row)}` };
}

function schemaOf(row: Kind): object {
  const { $schema: _, ...schema } = z.toJSONSchema(row.schema, { io: 'input', target: 'draft-7' });
  return { title: fullName(row), description: row.summary, ...schema };
}
