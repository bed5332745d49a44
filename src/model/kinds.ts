// The table of the kinds that are understood, and the schema of the whole object of each.
// A kind that is not there yet (RouteTest, EnvoyPatch, Gateway API) gets its file under kinds/
// and a line here.
// Invariant: a kind that is not in this table is an error, never ignored.
import { z } from 'zod';
import { type AuthorizationSpec, authorizationSpec } from './kinds/authorization.ts';
import { type CertificateSpec, certificateSpec } from './kinds/certificate.ts';
import { type CoreServiceSpec, coreServiceSpec } from './kinds/core-service.ts';
import { bounds, map, name, namespace, strict } from './kinds/fields.ts';
import { type GatewaySpec, gatewaySpec } from './kinds/gateway.ts';
import { type LinkerdRouteSpec, linkerdRouteSpec } from './kinds/linkerd-route.ts';
import { type LinkerdServiceSpec, linkerdServiceSpec } from './kinds/linkerd-service.ts';
import { type MeshSpec, meshSpec } from './kinds/mesh.ts';
import { type RouteSpec, routeSpec } from './kinds/route.ts';
import { type ServiceSpec, serviceSpec } from './kinds/service.ts';

/** The spec of each kind after parsing, told apart by group and kind. */
export type KindSpec =
  | { readonly group: 'chancery'; readonly kind: 'Service'; readonly spec: ServiceSpec }
  | { readonly group: 'chancery'; readonly kind: 'Route'; readonly spec: RouteSpec }
  | { readonly group: 'chancery'; readonly kind: 'Gateway'; readonly spec: GatewaySpec }
  | { readonly group: 'chancery'; readonly kind: 'Mesh'; readonly spec: MeshSpec }
  | { readonly group: 'chancery'; readonly kind: 'Authorization'; readonly spec: AuthorizationSpec }
  | { readonly group: 'chancery'; readonly kind: 'Certificate'; readonly spec: CertificateSpec }
  | { readonly group: 'core'; readonly kind: 'Service'; readonly spec: CoreServiceSpec }
  | { readonly group: 'linkerd.io'; readonly kind: 'Service'; readonly spec: LinkerdServiceSpec }
  | { readonly group: 'linkerd.io'; readonly kind: 'Route'; readonly spec: LinkerdRouteSpec };

export interface Kind {
  readonly group: KindSpec['group'];
  readonly apiVersion: string;
  readonly kind: KindSpec['kind'];
  /** One line for people. */
  readonly summary: string;
  /** Schema of the whole object. */
  readonly schema: z.ZodType<{ readonly metadata: Metadata; readonly spec: unknown }>;
  /** Path of the list whose entries are refused one by one. */
  readonly siblings?: readonly string[];
}

const metadata = strict({
  name,
  namespace: namespace.optional(),
  labels: map(z.string().max(bounds.name)).optional(),
  annotations: map(z.string().max(bounds.body)).optional(),
  creationTimestamp: z
    .string()
    .max(64)
    .refine((value) => /^\d{4}-\d\d-\d\dT/.test(value) && !Number.isNaN(Date.parse(value)), {
      error: 'must be a time such as 2026-01-31T12:00:00Z',
    })
    .optional(),
});

export type Metadata = z.output<typeof metadata>;

function schemaOf(apiVersion: string, kind: string, spec: z.ZodType): Kind['schema'] {
  return strict({ apiVersion: z.literal(apiVersion), kind: z.literal(kind), metadata, spec });
}

function kindOf(row: Omit<Kind, 'schema'>, spec: z.ZodType): Kind {
  return { ...row, schema: schemaOf(row.apiVersion, row.kind, spec) };
}

const chancery = { group: 'chancery', apiVersion: 'chancery/v1' } as const;
const linkerd = { group: 'linkerd.io', apiVersion: 'linkerd.io/v1' } as const;

export const kinds: readonly Kind[] = [
  kindOf({ ...chancery, kind: 'Service', summary: 'How one service wants to be reached' }, serviceSpec),
  kindOf(
    { ...chancery, kind: 'Route', summary: 'Where requests for a host go', siblings: ['spec', 'rules'] },
    routeSpec,
  ),
  kindOf({ ...chancery, kind: 'Gateway', summary: 'The listeners of an edge proxy' }, gatewaySpec),
  kindOf({ ...chancery, kind: 'Mesh', summary: 'Mesh-wide settings and defaults' }, meshSpec),
  kindOf({ ...chancery, kind: 'Authorization', summary: 'Who may call a service, and what of it' }, authorizationSpec),
  kindOf({ ...chancery, kind: 'Certificate', summary: 'What an edge shows to its TLS clients' }, certificateSpec),
  kindOf(
    { group: 'core', apiVersion: 'v1', kind: 'Service', summary: 'A Kubernetes Service as printed' },
    coreServiceSpec,
  ),
  kindOf({ ...linkerd, kind: 'Service', summary: 'A service by host, port and app' }, linkerdServiceSpec),
  kindOf({ ...linkerd, kind: 'Route', summary: 'A host and its destinations' }, linkerdRouteSpec),
];

export function findKind(apiVersion: unknown, kind: unknown): Kind | undefined {
  return kinds.find((row) => row.apiVersion === apiVersion && row.kind === kind);
}

/** The kind that somebody means who types `Route`, `route` or `routes`, `mesh` or `meshes`; undefined when there is none. */
export function kindNamed(text: string): string | undefined {
  const wanted = text.toLowerCase();
  return kinds.find(({ kind }) => ['', 's', 'es'].some((end) => `${kind.toLowerCase()}${end}` === wanted))?.kind;
}
