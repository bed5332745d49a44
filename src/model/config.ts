// The shape of chancery.yaml: every key, its default and what it is for. The page of `chancery config show`, the flags,
// the environment names and the published JSON Schema are all made from this one table.
// It must not read files or the environment. Invariant: a key that is not here is an error, never ignored.
import { z } from 'zod';
import { consulAccess, etcdAccess } from './config-access.ts';
import { trustSchema } from './config-trust.ts';

const port = z.int().min(0).max(65535);
const count = z.int().min(0);
const text = z.string().min(1);
const path = text;

const name = z
  .string()
  .regex(/^[a-z][a-z0-9-]*$/, 'a name of lower-case letters, digits and dashes')
  .optional()
  .describe('shown in status and messages; the kind if absent');

export const registrySchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('consul'),
    name,
    ...consulAccess,
    consistency: z.enum(['default', 'stale', 'consistent']).default('default'),
    tag: text.optional().describe('only instances with this tag'),
    services: z.array(text).min(1).optional().describe('only these services; all if absent'),
    taggedAddress: text.optional().describe('which of TaggedAddresses to dial, e.g. wan'),
    intentions: z.boolean().default(false).describe('enforce its service-intentions, for every service of the mesh'),
    intentionsDefault: z
      .enum(['deny', 'allow'])
      .default('deny')
      .describe('what holds between two services of which no intention speaks'),
  }),
  z.strictObject({
    kind: z.literal('etcd'),
    name,
    ...etcdAccess,
    prefix: text.default('/services/').describe('keys under it are instances'),
    layout: z.enum(['chancery', 'naming', 'registrator', 'go-micro']).default('chancery'),
  }),
  z.strictObject({
    kind: z.literal('files'),
    name,
    path: path.default('./services').describe('directory of instance lists'),
  }),
  z.strictObject({
    kind: z.literal('dns'),
    name,
    services: z
      .array(
        z.strictObject({
          name: text,
          host: text.describe('name to look up'),
          type: z.enum(['A', 'SRV']).default('A').describe('A takes IPv6 addresses too'),
          port: port.optional().describe('for A records; SRV records bring their own'),
        }),
      )
      .min(1),
    servers: z.array(text).optional().describe('name servers as IP or IP:PORT; the system ones if absent'),
    intervalSeconds: z.number().positive().default(5).describe('time between look-ups'),
  }),
  z.strictObject({
    kind: z.literal('dev'),
    name,
    address: text.default('127.0.0.1'),
    port: port.default(8500).describe('where the in-process registry listens; 0 picks one'),
  }),
]);

export const objectsSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('directory'), name, path: path.default('./objects') }),
  z.strictObject({ kind: z.literal('consul'), name, ...consulAccess, prefix: text.default('chancery/objects/') }),
  z.strictObject({ kind: z.literal('etcd'), name, ...etcdAccess, prefix: text.default('/chancery/objects/') }),
]);

export const configSchema = z.strictObject({
  node: text.default('chancery').describe('identifier of this control plane, told to every proxy'),
  state: path.default('./.chancery').describe('directory for what must outlive a restart'),
  xds: z
    .strictObject({
      address: text.default('127.0.0.1').describe('where proxies connect'),
      port: port.default(18000),
      insecure: z
        .boolean()
        .default(false)
        .describe('plaintext and no trust: nobody is asked who they are, and there are no certificates'),
      loadReportSeconds: z.number().min(1).default(10).describe('how often proxies that report load are to report it'),
      tls: z
        .strictObject({
          cert: path.describe('PEM of the certificate proxies verify, read again when it changes'),
          key: path.describe('PEM of its private key'),
          clientCa: path.optional().describe('PEM of the authority of client certificates; with it they are required'),
          minVersion: z.enum(['1.2', '1.3']).default('1.3'),
        })
        .optional()
        .describe('TLS on the xDS port'),
      workers: count
        .max(64)
        .default(0)
        .describe('threads that serve proxies, at most one a core; 0 or 1: the main thread does'),
      transport: z.enum(['http2', 'grpc-js']).default('http2').describe('which of our two gRPC servers'),
      maxConnections: z.int().min(1).default(20_000).describe('connections open at the same time'),
      maxStreamsPerConnection: z.int().min(1).default(100),
      maxStreamsPerNode: count.default(1_000).describe('streams of one node; 0: any number'),
      maxStreamsPerAddress: count.default(0).describe('streams from one address; 0: any number'),
      newStreamsPerSecond: z.int().min(1).default(1_000).describe('beyond it, and as many at once, new streams wait'),
      maxConnectionAgeSeconds: z
        .number()
        .min(0)
        .default(0)
        .describe('mean age at which a proxy is told to connect anew, so that replicas share them; 0: never'),
    })
    .prefault({}),
  http: z
    .strictObject({
      address: text.default('127.0.0.1').describe('API, metrics and health'),
      port: port.default(18080),
      insecure: z.boolean().default(false).describe('allow plaintext on an address that is not loopback'),
      hosts: z.array(text).default([]).describe('host names requests may use beside the loopback ones'),
      tokenFile: path.optional().describe('bearer token of the API, made at the first start; STATE/token if absent'),
      tls: z
        .strictObject({
          issuer: z.enum(['mesh']).optional().describe('mesh: a certificate of our own authority; needs trust'),
          cert: path.optional().describe('PEM of the certificate, read again when it changes'),
          key: path.optional().describe('PEM of its private key'),
        })
        .refine(
          ({ issuer, cert, key }) =>
            (issuer === undefined) !== (cert === undefined && key === undefined) &&
            (cert === undefined) === (key === undefined),
          { error: 'name either issuer, or cert and key' },
        )
        .optional()
        .describe('TLS of the API'),
    })
    .prefault({}),
  registries: z.array(registrySchema).optional().describe('where services are registered; earlier ones win conflicts'),
  objects: z
    .array(objectsSchema)
    .optional()
    .describe('where Service, Route and other objects lie; `apply` writes to the first'),
  log: z
    .strictObject({
      level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
      format: z.enum(['auto', 'json', 'pretty']).default('auto').describe('auto: pretty on a terminal'),
    })
    .prefault({}),
  trust: trustSchema,
  guard: z
    .strictObject({
      holdSeconds: z.number().min(0).default(30).describe('how long a suspicious registry answer is held back'),
    })
    .prefault({}),
});

/** Effective configuration, every default filled in. */
export type Config = z.output<typeof configSchema>;
export type RegistryConfig = z.output<typeof registrySchema>;
export type ObjectsConfig = z.output<typeof objectsSchema>;

/** Keys whose values are never shown. */
const secretKeys: ReadonlySet<string> = new Set(['token', 'password']);

export function isSecretKey(key: string): boolean {
  return secretKeys.has(key);
}

export interface ConfigKey {
  /** `['xds', 'port']`. */
  readonly path: readonly string[];
  readonly type: 'string' | 'number' | 'boolean' | 'list';
  readonly description: string;
  readonly choices?: readonly string[];
  /** What holds where nobody says otherwise. */
  readonly fallback?: unknown;
}

/** The options of one kind of registry or object store, by themselves. */
export function optionKeys(section: 'registries' | 'objects', kind: string): readonly ConfigKey[] {
  const options = (section === 'registries' ? registrySchema : objectsSchema).options;
  const option = options.find((candidate) => candidate.shape.kind.value === kind);
  return Object.entries(option?.shape ?? {}).flatMap(([key, field]) => {
    const probe = (value: unknown): boolean => (field as z.ZodType).safeParse(value).success;
    if (key === 'kind') return [];
    const type = probe([]) || probe(['x']) ? 'list' : probe(true) ? 'boolean' : probe(1) ? 'number' : 'string';
    return [{ path: [key], type, description: '' } as const];
  });
}

interface SchemaNode {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly default?: unknown;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly const?: string;
  readonly oneOf?: readonly SchemaNode[];
  readonly anyOf?: readonly SchemaNode[];
}

/** The keys of an object; of one of several kinds: those of all kinds, where `kind` says which. */
function propertiesOf(node: SchemaNode): Readonly<Record<string, SchemaNode>> | undefined {
  const kinds = node.oneOf ?? node.anyOf;
  if (kinds === undefined || kinds.some(({ properties }) => properties === undefined))
    return node.type === 'object' ? (node.properties ?? {}) : undefined;
  const merged: Record<string, SchemaNode> = {};
  for (const [key, child] of kinds.flatMap((kind) => Object.entries(kind.properties ?? {}))) {
    const { default: fallback, ...before } = merged[key] ?? child;
    const names = [...new Set([...(before.enum ?? []), ...(child.const === undefined ? [] : [child.const])])];
    merged[key] = {
      ...before,
      ...(fallback === undefined || fallback !== child.default ? {} : { default: fallback }),
      ...(child.const === undefined ? {} : { enum: names }),
    };
  }
  return merged;
}

/** Every key that a flag or an environment variable can set, from the schema. */
export function configKeys(): readonly ConfigKey[] {
  const walk = (node: SchemaNode, at: readonly string[]): ConfigKey[] =>
    Object.entries(propertiesOf(node) ?? {}).flatMap(([key, child]) => {
      const inner = [...at, key];
      if (propertiesOf(child) !== undefined) return walk(child, inner);
      const type =
        child.type === 'array'
          ? 'list'
          : child.type === 'boolean'
            ? 'boolean'
            : child.type === 'string'
              ? 'string'
              : 'number';
      return [
        {
          path: inner,
          type,
          description: child.description ?? '',
          ...(child.enum === undefined ? {} : { choices: child.enum }),
          ...(child.default === undefined ? {} : { fallback: child.default }),
        },
      ];
    });
  return walk(configJsonSchema(), []);
}

/** JSON Schema of chancery.yaml, for editors. */
export function configJsonSchema(): object {
  return z.toJSONSchema(configSchema, { io: 'input' });
}

function words(path: readonly string[]): string[] {
  return path.flatMap((part) =>
    part
      .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
      .toLowerCase()
      .split('-'),
  );
}

/** `xds.port` -> `CHANCERY_XDS_PORT`, `guard.holdSeconds` -> `CHANCERY_GUARD_HOLD_SECONDS`. */
export function environmentName(path: readonly string[]): string {
  return `CHANCERY_${words(path).join('_').toUpperCase()}`;
}

/** `xds.port` -> `xds-port`. */
export function flagName(path: readonly string[]): string {
  return words(path).join('-');
}

/** Names sources go by in status, problems and `config show`. */
export function registryName(registry: RegistryConfig): string {
  return registry.name ?? registry.kind;
}

export function objectsName(objects: ObjectsConfig): string {
  return objects.name ?? (objects.kind === 'directory' ? 'objects' : `${objects.kind}-objects`);
}
