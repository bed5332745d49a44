// `chancery/v1` Authorization as a user writes it: who may call a service, and what of it.
// User-facing YAML only. Invariant: strict, bounded; nothing in it is a pattern but a path prefix, so that no name can be
// read as another. Later versions add here, beside `from` and `to`: jwt.
import { z } from 'zod';
import { bounds, headerValue, issue, list, matchHeaderName, method, path, serviceRef, strict } from './fields.ts';

const callerPattern = /^(\*|([A-Za-z0-9][A-Za-z0-9_-]*\/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)$/;

/** `web`, `prod/web`, `gateway/edge`, or `*` for whoever has an identity of the mesh. */
const caller = z
  .string()
  .max(2 * bounds.name)
  .regex(callerPattern, {
    error: 'must be a service, namespace/name, gateway/NAME, or "*" for any caller of the mesh',
  });

const pathPattern = /^\/[^?#\s]*$/;

/** `/exact`, or `{prefix: /below}`, which takes `/below` and what lies under it. */
const operationPath = z.union([
  z
    .string()
    .refine((value) => value.length <= bounds.text && pathPattern.test(value), {
      error: `must be a path of at most ${bounds.text} characters that begins with "/", without query`,
    })
    .meta({ pattern: pathPattern.source, maxLength: bounds.text }),
  strict({ prefix: path }),
]);

/** Host and method have keys of their own elsewhere; `:path` would see the query. */
const headerName = matchHeaderName.refine((value) => !value.startsWith(':') && value !== 'host', {
  error: 'must not be Host or a pseudo-header; use methods and paths',
});

const operation = strict({
  methods: list(method, 16).min(1).optional(),
  paths: list(operationPath, 64).min(1).optional(),
  headers: list(strict({ name: headerName, exact: headerValue.min(1).max(bounds.name) }), 16)
    .min(1)
    .optional(),
}).check((context) => {
  if (Object.values(context.value).every((value) => value === undefined))
    issue(context, 'CH1010', 'needs methods, paths or headers; to mean every request leave "to" out');
});

const accessRule = strict({
  from: list(caller).min(1).optional(),
  to: list(operation, 32).min(1).optional(),
});

/** Empty lists are refused: whether they mean everybody or nobody, somebody would read the other. */
const accessRules = list(accessRule, 128).min(1).optional();

export const authorizationSpec = strict({
  service: serviceRef,
  mode: z.enum(['enforce', 'shadow']).optional(),
  allow: accessRules,
  deny: accessRules,
}).check((context) => {
  const { allow, deny } = context.value;
  if (allow === undefined && deny === undefined)
    issue(context, 'CH1010', 'needs allow or deny; to let nobody in write "deny: [{}]"');
});

export type AuthorizationSpec = z.output<typeof authorizationSpec>;
export type AccessRuleSpec = z.output<typeof accessRule>;
