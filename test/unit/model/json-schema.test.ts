import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { jsonSchema, kindNames, schemaText } from '../../../src/model/json-schema.ts';
import { kinds } from '../../../src/model/kinds.ts';

const published = new URL('../../../schema/chancery.schema.json', import.meta.url);

describe('the JSON Schema', () => {
  it('is published as it is made; `npm run gen` writes it', () => {
    expect(readFileSync(published, 'utf8')).toBe(schemaText());
  });

  it('has a definition for every kind of every language, strict', () => {
    const { definitions } = jsonSchema() as { definitions: Record<string, { additionalProperties: boolean }> };
    expect(Object.keys(definitions)).toEqual(kinds.map(({ group, kind }) => `${group}.${kind}`));
    for (const definition of Object.values(definitions)) expect(definition.additionalProperties).toBe(false);
  });

  it('is cut to one kind, in all its languages or one', () => {
    const names = (kind: string): string[] => Object.keys((jsonSchema(kind) as { definitions: object }).definitions);
    expect(names('gateway')).toEqual(['chancery.Gateway']);
    expect(names('Route')).toEqual(['chancery.Route', 'linkerd.io.Route']);
    expect(names('v1 Service')).toEqual(['core.Service']);
    for (const name of kindNames()) expect(names(name).length).toBeGreaterThan(0);
  });

  it('refuses a kind that is not known', () => {
    expect(() => jsonSchema('Rout')).toThrow(
      expect.objectContaining({ code: 'CH1003', hint: expect.stringContaining('Did you mean "Route"?') as unknown }),
    );
  });

  it('describes what a person writes, not what the parser makes of it', () => {
    const text = JSON.stringify(jsonSchema('chancery/v1 Route'));
    expect(text).toContain('"timeout":{"type":"string","pattern":');
    expect(text).toContain('"required":["hosts","rules"]');
  });
});
