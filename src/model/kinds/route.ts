// `chancery/v1` Route as a user writes it: where requests for a host go.
// User-facing YAML only. Invariant: strict, bounded; a rule has exactly one action.
// Later versions add here, beside timeout and retry: mirror, cors, fault, rateLimit.
import { z } from 'zod';
import {
  bounds,
  durationOrZero,
  headerValue,
  hostOrAny,
  issue,
  list,
  map,
  matchHeaderName,
  method,
  name,
  oneOf,
  path,
  plainHost,
  port,
  regex,
  regexRewrite,
  serviceRef,
  strict,
  text,
  weight,
} from './fields.ts';
import { hashOn, retry } from './policy.ts';

const valueKeys = ['exact', 'prefix', 'suffix', 'regex', 'present'] as const;

function namedMatch(named: z.ZodType<string>) {
  return strict({
    name: named,
    exact: text.optional(),
    prefix: text.min(1).optional(),
    suffix: text.min(1).optional(),
    regex: regex.optional(),
    present: z.boolean().optional(),
    invert: z.boolean().optional(),
  }).check((context) => {
    const given = valueKeys.filter((key) => context.value[key] !== undefined);
    if (given.length > 1) issue(context, 'CH1010', `${given.join(' and ')} exclude each other`);
    if (given.length === 0) issue(context, 'CH1010', `needs one of ${valueKeys.join(', ')}`);
  });
}

const match = strict({
  path: oneOf({ exact: path.optional(), prefix: path.optional(), regex: regex.optional() }).optional(),
  method: method.optional(),
  headers: list(namedMatch(matchHeaderName), 32).optional(),
  query: list(namedMatch(text.min(1)), 32).optional(),
  from: list(serviceRef, 64).optional(),
});

const destination = strict({
  service: serviceRef,
  subset: name.optional(),
  port: port.optional(),
  weight: weight.optional(),
});

/** Envoy refuses edits of pseudo-headers and Host (HeaderParser); `rewrite.host` is the way. */
const editName = matchHeaderName.refine((value) => !value.startsWith(':') && value !== 'host', {
  error: 'must not be Host or a pseudo-header; use rewrite.host',
});
const edits = map(headerValue).check((context) => {
  for (const key of Object.keys(context.value)) {
    if (!editName.safeParse(key).success)
      issue(context, 'CH1005', {
        path: [key],
        text: 'must be a header name other than Host; for Host use rewrite.host',
      });
  }
});

const headerEdits = strict({
  set: edits.optional(),
  add: edits.optional(),
  remove: list(editName, bounds.map).optional(),
});

const rewrite = strict({
  prefix: path.optional(),
  regex: regexRewrite.optional(),
  host: plainHost.optional(),
}).check((context) => {
  if (context.value.prefix !== undefined && context.value.regex !== undefined)
    issue(context, 'CH1010', 'prefix and regex exclude each other');
  if (Object.values(context.value).every((value) => value === undefined))
    issue(context, 'CH1010', 'needs prefix, regex or host');
});

const redirect = strict({
  scheme: z.enum(['http', 'https']).optional(),
  host: plainHost.optional(),
  port: port.optional(),
  path: path.optional(),
  prefix: path.optional(),
  code: z.union([z.literal(301), z.literal(302), z.literal(303), z.literal(307), z.literal(308)]).optional(),
}).check((context) => {
  const { code: _, ...where } = context.value;
  if (where.path !== undefined && where.prefix !== undefined)
    issue(context, 'CH1010', 'path and prefix exclude each other');
  if (Object.values(where).every((value) => value === undefined))
    issue(context, 'CH1010', 'needs scheme, host, port, path or prefix: it would lead to itself');
});

/** Envoy refuses bodies above 4096 bytes (RouteConfiguration.max_direct_response_body_size_bytes). */
const body = z
  .string()
  .max(bounds.body)
  .refine((value) => Buffer.byteLength(value) <= bounds.body, { error: `must have at most ${bounds.body} bytes` });

export const ruleSpec = strict({
  name: name.optional(),
  match: list(match, 64).min(1).optional(),
  to: list(destination, 64).min(1).optional(),
  redirect: redirect.optional(),
  respond: strict({ status: z.int().min(200).max(599), body: body.optional() }).optional(),
  rewrite: rewrite.optional(),
  headers: strict({ request: headerEdits.optional(), response: headerEdits.optional() }).optional(),
  timeout: durationOrZero.optional(),
  retry: retry.optional(),
  hash: list(hashOn, 16).optional(),
}).check((context) => {
  const { to, redirect: redirected, respond, rewrite: rewritten } = context.value;
  const actions = [to, redirected, respond].filter((value) => value !== undefined).length;
  if (actions !== 1) issue(context, 'CH1010', 'needs exactly one of to, redirect, respond');
  else if (rewritten !== undefined && to === undefined) issue(context, 'CH1010', 'rewrite goes with "to" only');
});

export const routeSpec = strict({
  hosts: list(hostOrAny).min(1),
  /** Names of gateways, and `mesh` for the sidecars; left out: everywhere. */
  gateways: list(
    z
      .string()
      .max(bounds.name)
      .regex(/^([A-Za-z0-9_-]+\/)?[A-Za-z0-9._-]+$/, { error: 'must be the name of a Gateway, or "mesh"' }),
  )
    .min(1)
    .optional(),
  protocol: z.enum(['http', 'tcp']).optional(),
  rules: list(ruleSpec, bounds.rules).min(1),
});

export type RuleSpec = z.output<typeof ruleSpec>;
export type MatchSpec = z.output<typeof match>;
/** A rule that was refused is null, so that the others keep their positions. */
export type RouteSpec = Omit<z.output<typeof routeSpec>, 'rules'> & { readonly rules: readonly (RuleSpec | null)[] };
export type HeaderEditsSpec = z.output<typeof headerEdits>;
export type NamedMatchSpec = z.output<ReturnType<typeof namedMatch>>;
