// Tokens of the API with a role, over the API. It decides nothing.
// Invariant: a token leaves in the answer to its making and nowhere else.
import { z } from 'zod';
import type { AccessTokens } from '../identity/access-token.ts';
import { roles } from '../model/access.ts';
import { defined } from '../model/defined.ts';
import { Fault } from './fault.ts';
import { changed, jsonReply, type RouteLine, read } from './route.ts';

export type AccessTokenParts = Pick<AccessTokens, 'create' | 'check' | 'isListed' | 'list' | 'revoke'>;

const base = '/api/v1/access-tokens';
const name = z.string().min(1).max(64);
const createBody = z.strictObject({ name, role: z.enum(roles), ttlSeconds: z.number().positive().optional() });
const nameParams = z.strictObject({ name });

/** `tokens` undefined: there is no place to keep them, and every line says so. */
export function createAccessRoutes(tokens: AccessTokenParts | undefined): readonly RouteLine[] {
  const kept = (): AccessTokenParts => {
    if (tokens === undefined) throw new Fault(409, 'CH1723', 'this control plane keeps no tokens beside the first');
    return tokens;
  };
  return [
    {
      method: 'POST',
      path: base,
      summary: 'Make a token of the API with a role; it is told this once',
      access: 'operating',
      body: {
        contentTypes: ['application/json'],
        description: '{"name": "grafana", "role": "reader", "ttlSeconds": 7776000}; roles: reader, editor, operator',
      },
      handle: async ({ body, asker }) => {
        const { ttlSeconds, ...wanted } = read(createBody, parsed(body));
        const createdBy = asker.kind === 'role' ? asker.name : '';
        const ttlMs = ttlSeconds === undefined ? undefined : ttlSeconds * 1000;
        const { text, ...made } = await kept().create(defined({ ...wanted, createdBy, ttlMs }));
        const about = { accessToken: made.name, tokenRole: made.role, expiresAtMs: made.expiresAtMs };
        return changed(about, { token: text, ...made }, 201);
      },
    },
    {
      method: 'GET',
      path: base,
      summary: 'Tokens of the API that hold, without their secret',
      access: 'operating',
      handle: async () => jsonReply(await kept().list()),
    },
    {
      method: 'DELETE',
      path: `${base}/:name`,
      summary: 'Have a token of the API hold no more, at once',
      access: 'operating',
      params: nameParams,
      handle: async ({ params }) => {
        const { name: wanted } = read(nameParams, params);
        if (!(await kept().revoke(wanted)))
          throw new Fault(404, 'CH1703', 'there is no token of this name', {
            hint: 'Run `chancery access list` to see those there are.',
          });
        return changed({ accessToken: wanted }, { name: wanted, result: 'revoked' });
      },
    },
  ];
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new Fault(400, 'CH1704', 'the body is not JSON');
  }
}
