// The OpenAPI 3.1 document of the API, made from the very lines the server serves, so it cannot fall behind.
import { z } from 'zod';
import { neededRole } from '../model/access.ts';
import type { RouteLine } from './route.ts';

const problemSchema = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code', 'hint'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string', pattern: '^CH\\d{4}$' },
    hint: { type: 'string' },
  },
};

function parameters(line: RouteLine): readonly object[] {
  const list = (schema: z.ZodObject | undefined, where: 'path' | 'query'): object[] => {
    if (schema === undefined) return [];
    const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: 'input' }) as {
      properties?: Record<string, object>;
      required?: string[];
    };
    return Object.entries(properties).map(([name, property]) => ({
      name,
      in: where,
      required: where === 'path' || required.includes(name),
      schema: property,
    }));
  };
  return [...list(line.params, 'path'), ...list(line.query, 'query')];
}

function operation(line: RouteLine): object {
  return {
    summary: line.summary,
    ...(typeof line.access === 'string'
      ? { security: [{ token: [] }], description: `With the role ${neededRole[line.access]}.` }
      : { security: [], description: `No token: ${line.access.open}.` }),
    parameters: parameters(line),
    ...(line.body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            description: line.body.description,
            content: Object.fromEntries(
              line.body.contentTypes.map((type) => [
                type,
                { schema: { type: type === 'application/json' ? 'object' : 'string' } },
              ]),
            ),
          },
        }),
    responses: {
      200: { description: 'Done' },
      default: { description: 'Not done', content: { 'application/problem+json': { schema: problemSchema } } },
    },
  };
}

export function openApi(lines: readonly RouteLine[], version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const line of lines) {
    const path = line.path.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [line.method.toLowerCase()]: operation(line) };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Chancery', version },
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    paths,
  };
}
