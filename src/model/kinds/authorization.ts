// `chancery/v1` Authorization as a user writes it: who may call a service, and what of it.
// User-facing YAML only. Invariant: strict, bounded; nothing in it is a pattern but a path prefix, so that no name can be
// read as another.
import { z } from 'zod';
import { maxKeySet, publicKeySet } from '../public-keys.ts';
import {
  bounds,
  filePath,
  headerValue,
  issue,
  list,
  matchHeaderName,
  method,
  path,
  serviceRef,
  strict,
} from './fields.ts';

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

const printable = z
  .string()
  .min(1)
  .max(bounds.name)
  .regex(/^[\x21-\x7e]+$/, { error: 'must be printable ASCII without spaces' });

/** Where the application reads them; none that a proxy writes or believes. */
const payloadHeader = z
  .string()
  .max(bounds.name)
  .regex(/^x-[a-z0-9-]+$/, { error: 'must be a header name in lower case that begins with x-' })
  .refine((value) => !/^x-(envoy-|forwarded-|request-id$|chancery-)/.test(value), {
    error: 'must not be a header that proxies write',
  });

const tokenIssuer = strict({
  issuer: printable,
  audiences: list(printable, 16).min(1),
  jwks: strict({
    inline: z
      .string()
      .max(maxKeySet)
      .check((context) => {
        const set = publicKeySet(context.value);
        if ('fault' in set) issue(context, 'CH1249', `must ${set.fault}`);
      })
      .optional(),
    file: filePath.optional(),
  }).check((context) => {
    const { inline, file } = context.value;
    if ((inline === undefined) === (file === undefined))
      issue(context, 'CH1010', 'needs either inline or file, and not both');
  }),
  payloadHeader: payloadHeader.optional(),
});

const claimName = z.string().min(1).max(bounds.name);

const tokenDemand = strict({
  issuer: printable.optional(),
  claims: list(
    strict({
      /** A list: a name inside of a name. */
      claim: z.union([claimName, list(claimName, 8).min(1)]),
      exact: z.string().min(1).max(bounds.name),
    }),
    16,
  )
    .min(1)
    .optional(),
});

const accessRule = strict({
  from: list(caller).min(1).optional(),
  to: list(operation, 32).min(1).optional(),
  jwt: tokenDemand.optional(),
});

/** Empty lists are refused: whether they mean everybody or nobody, somebody would read the other. */
const accessRules = list(accessRule, 128).min(1).optional();

export const authorizationSpec = strict({
  service: serviceRef,
  mode: z.enum(['enforce', 'shadow']).optional(),
  jwt: list(tokenIssuer, 8).min(1).optional(),
  allow: accessRules,
  deny: accessRules,
}).check((context) => {
  const { allow, deny, jwt = [] } = context.value;
  if (allow === undefined && deny === undefined)
    issue(context, 'CH1010', 'needs allow or deny; to let nobody in write "deny: [{}]"');
  const issuers = jwt.map(({ issuer }) => issuer);
  if (new Set(issuers).size < issuers.length) issue(context, 'CH1010', 'declares one issuer twice');
  for (const [name, rules] of Object.entries({ allow, deny }))
    for (const [index, { jwt: asked }] of (rules ?? []).entries()) {
      if (asked === undefined) continue;
      const tell = (text: string): void => issue(context, 'CH1010', { path: [name, index, 'jwt'], text });
      if (asked.issuer === undefined ? issuers.length !== 1 : !issuers.includes(asked.issuer))
        tell('must name an issuer that "spec.jwt" declares');
      if (name === 'deny' && asked.claims === undefined)
        tell('needs claims: a deny rule is met by every request without a valid token anyway');
    }
});

export type AuthorizationSpec = z.output<typeof authorizationSpec>;
export type AccessRuleSpec = z.output<typeof accessRule>;
