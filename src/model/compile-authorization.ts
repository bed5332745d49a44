// An Authorization object as the model's. Pure; whether what it names exists is asked elsewhere.
// Invariant: every rule that was written is there with its index: none is dropped, because one allow rule less lets
// everybody in where it was the only one.
import type { AccessRule, Authorization, Caller, Operation, TokenDemand, TokenIssuer } from './authorization.ts';
import { referredService } from './compile-route.ts';
import { defined } from './defined.ts';
import type { AccessRuleSpec, AuthorizationSpec } from './kinds/authorization.ts';
import type { MeshObject } from './parse.ts';
import type { Provenance } from './provenance.ts';
import { publicKeySet } from './public-keys.ts';

export type AuthorizationObject = Extract<MeshObject, { kind: 'Authorization' }>;

/** Where in `from` a gateway is meant; no service of a namespace of that name can be. */
const gatewayPrefix = 'gateway/';

export function compileAuthorization(object: AuthorizationObject): Authorization {
  const { namespace, name, spec, provenance } = object;
  const rules = (list: 'allow' | 'deny'): readonly AccessRule[] =>
    (spec[list] ?? []).map((rule, index) => compileRule(rule, { object, list, index }));
  return {
    namespace,
    name,
    service: referredService(spec.service, namespace),
    mode: spec.mode ?? 'enforce',
    allow: rules('allow'),
    deny: rules('deny'),
    provenance,
    ...defined({ issuers: spec.jwt?.map(issuerOf) }),
  };
}

interface Place {
  readonly object: AuthorizationObject;
  readonly list: 'allow' | 'deny';
  readonly index: number;
}

function compileRule({ from, to, jwt }: AccessRuleSpec, { object, list, index }: Place): AccessRule {
  return {
    index,
    to: (to ?? []).map(compileOperation),
    provenance: object.at(['spec', list, index]),
    ...defined({
      from: from?.map((reference, entry) =>
        callerOf(reference, {
          namespace: object.namespace,
          provenance: object.at(['spec', list, index, 'from', entry]),
        }),
      ),
      tokens: jwt === undefined ? undefined : [demandOf(jwt, object.spec.jwt ?? [])],
    }),
  };
}

type IssuerSpec = NonNullable<AuthorizationSpec['jwt']>[number];

function issuerOf({ issuer, audiences, jwks, payloadHeader }: IssuerSpec): TokenIssuer {
  // The schema lets no other through. What is in a file comes later; without keys no token is valid.
  const set = jwks.inline === undefined ? undefined : publicKeySet(jwks.inline);
  const keys = set !== undefined && 'keys' in set ? set.keys : '';
  return { issuer, audiences, keys, ...defined({ keyFile: jwks.file, payloadHeader }) };
}

/** Without a name of its own it means the one issuer that there is. */
function demandOf(
  { issuer, claims = [] }: NonNullable<AccessRuleSpec['jwt']>,
  issuers: readonly IssuerSpec[],
): TokenDemand {
  return {
    issuer: issuer ?? issuers[0]?.issuer ?? '',
    claims: claims.map(({ claim, exact }) => ({ path: typeof claim === 'string' ? [claim] : claim, exact })),
  };
}

function callerOf(
  reference: string,
  { namespace, provenance }: { readonly namespace: string; readonly provenance: Provenance },
): Caller {
  if (reference === '*') return { kind: 'anyone' };
  if (reference.startsWith(gatewayPrefix))
    return { kind: 'gateway', gateway: reference.slice(gatewayPrefix.length), provenance };
  return { kind: 'service', service: referredService(reference, namespace), provenance };
}

type OperationSpec = NonNullable<AccessRuleSpec['to']>[number];

function compileOperation({ methods, paths, headers }: OperationSpec): Operation {
  return {
    methods: methods ?? [],
    paths: (paths ?? []).map((path) => (typeof path === 'string' ? { exact: path } : path)),
    headers: headers ?? [],
  };
}
