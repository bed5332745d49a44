// The `trust` section of chancery.yaml: where the root is kept, how long credentials live, who is believed.
// It must not read files or the environment. Invariant: no secret stands in it, only the file, variable or command that has it.
import { z } from 'zod';
import { consulAgent, consulByFile, consulConnect, etcdByFile } from './config-access.ts';
import { defaultDomain } from './defaults.ts';

const text = z.string().min(1);
const path = text;

const etcdStore = z.strictObject({
  kind: z.literal('etcd').describe('which store it is'),
  ...etcdByFile,
  prefix: text.default('/chancery/trust/').describe('keys under it are ours'),
});
const consulStore = z.strictObject({
  kind: z.literal('consul').describe('which store it is'),
  ...consulByFile,
  prefix: text.default('chancery/trust/').describe('keys under it are ours'),
});

const keyEncryptionKey = z
  .strictObject({
    file: path.optional().describe('file with the key-encryption key: 32 bytes as base64 or hex'),
    env: text.optional().describe('environment variable with it'),
    command: z.array(text).min(1).optional().describe('program and arguments that print it; no shell'),
  })
  .refine((key) => Object.values(key).filter((value) => value !== undefined).length === 1, {
    error: 'name one of file, env and command',
  });

const credential = z
  .strictObject({
    file: path.optional().describe('file that holds it'),
    env: text.optional().describe('environment variable with it'),
    command: z.array(text).min(1).optional().describe('program and arguments that print it; no shell'),
  })
  .refine((one) => Object.values(one).filter((value) => value !== undefined).length === 1, {
    error: 'name one of file, env and command',
  });

const issuerFiles = z.strictObject({
  kind: z.literal('issuer-files'),
  certificateFile: path.describe('PEM of the given authority, then what stands above it; read again when it changes'),
  privateKeyFile: path.describe('PEM of its private key, which nobody else can read'),
  rootsFile: path.describe('PEM of all roots that proxies are to trust'),
  sealKey: keyEncryptionKey
    .optional()
    .describe('what seals the keys that sign node tokens; a key of this machine, STATE/ca/seal.key, if absent'),
});
export type IssuerFilesConfig = z.output<typeof issuerFiles>;

const outsideSealKey = keyEncryptionKey
  .optional()
  .describe('what seals the keys that sign node tokens; a key of this machine, STATE/ca/seal.key, if absent');

const vault = z.strictObject({
  kind: z.literal('vault'),
  address: z.url({ protocol: /^https?$/ }).describe('URL of Vault or OpenBao'),
  mount: text.default('pki').describe('path of the PKI engine'),
  issuer: text.optional().describe("name of the issuer that signs; the engine's default one if absent"),
  namespace: text.optional().describe('namespace of the engine'),
  caFile: path.optional().describe('PEM of the authority of its TLS certificate, read again when it changes'),
  token: credential.describe('token that may sign intermediates; read at every use, so that Vault Agent may renew it'),
  sealKey: outsideSealKey,
});
export type VaultRootConfig = z.output<typeof vault>;

const stepCa = z.strictObject({
  kind: z.literal('step-ca'),
  address: z.url({ protocol: /^https$/ }).describe('URL of step-ca'),
  fingerprint: z
    .string()
    .regex(/^[0-9a-fA-F]{64}$/, '64 hexadecimal digits, as `step certificate fingerprint root_ca.crt` prints')
    .describe('SHA-256 of its root certificate'),
  provisioner: z
    .strictObject({
      name: text.describe('name of the JWK or X5C provisioner whose template makes intermediates'),
      jwkFile: path.optional().describe('private key of a JWK provisioner, not encrypted, which nobody else can read'),
      certificateFile: path
        .optional()
        .describe('PEM of the certificate for an X5C provisioner, then what stands above it'),
      privateKeyFile: path.optional().describe('PEM of its private key, which nobody else can read'),
    })
    .refine(
      ({ jwkFile, certificateFile, privateKeyFile }) =>
        (jwkFile !== undefined) !== (certificateFile !== undefined && privateKeyFile !== undefined) &&
        (jwkFile === undefined || (certificateFile ?? privateKeyFile) === undefined),
      { error: 'name either jwkFile, or certificateFile and privateKeyFile' },
    ),
  sealKey: outsideSealKey,
});
export type StepCaRootConfig = z.output<typeof stepCa>;

const root = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z
      .literal('files')
      .describe(
        'where the root key is kept; sealed: encrypted, in a store; issuer-files: elsewhere, an authority is given; vault, step-ca: there, for good',
      ),
    path: path.optional().describe('folder of the root certificate and its key; STATE/ca if absent'),
  }),
  z.strictObject({
    kind: z.literal('sealed'),
    store: z.discriminatedUnion('kind', [etcdStore, consulStore]),
    key: keyEncryptionKey,
  }),
  issuerFiles,
  vault,
  stepCa,
]);

const joinStore = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('files').describe('which store it is'),
    path: path.optional().describe('STATE/trust if absent'),
  }),
  etcdStore,
  consulStore,
]);

const authenticate = z
  .strictObject({
    certificates: z.boolean().default(true).describe('client certificates of our authority'),
    tokens: z.boolean().default(true).describe('node tokens, as `chancery bootstrap --join` gets them'),
    consul: z
      .strictObject({ ...consulAgent })
      .optional()
      .describe('ACL tokens of this Consul: they may be a proxy of each service they may write'),
    oidc: z
      .strictObject({
        jwksFile: path.describe('public keys of the issuer, read again when it changes'),
        issuer: text.describe('what `iss` must be'),
        audience: text.describe('what `aud` must have'),
        rules: z
          .array(
            z.strictObject({
              subject: text.describe(
                'what `sub` must be; `{name}` in it stands for letters, digits, dot, dash, underscore',
              ),
              services: z.array(text).optional().describe('services it may be, with the same places'),
              gateways: z.array(text).optional().describe('gateways it may be, with the same places'),
            }),
          )
          .min(1)
          .describe('what each subject may be; the first that fits'),
      })
      .optional()
      .describe('tokens of an OpenID Connect issuer or of Kubernetes'),
  })
  .refine((asked) => asked.certificates || asked.tokens || asked.consul !== undefined || asked.oidc !== undefined, {
    error: 'nothing is believed, so that no proxy could connect; turn one of certificates, tokens, consul and oidc on',
  })
  .prefault({});

export const trustSchema = z
  .strictObject({
    domain: z
      .string()
      .regex(/^[a-z0-9._-]{1,255}$/, 'lower-case letters, digits, dots, dashes and underscores')
      .default(defaultDomain)
      .describe(
        'trust domain, what all ids begin with; the same as `trustDomain` of the Mesh object, and never changed',
      ),
    root: root.prefault({ kind: 'files' }),
    connect: z
      .strictObject({
        ...consulConnect,
        datacenter: z
          .string()
          .regex(/^[a-z0-9_-]{1,64}$/, 'lower-case letters, digits, dashes and underscores')
          .default('dc1')
          .describe('datacenter of the agent, which stands in the names that Connect gives'),
      })
      .optional()
      .describe(
        "have Consul's Connect issue the certificates of proxies; the root above is then for the xDS port and the credentials of nodes alone",
      ),
    leafMinutes: z.number().min(5).max(10_080).default(1_440).describe('life of the certificates of proxies'),
    nodeTokenDays: z.number().positive().max(365).default(30).describe('life of the credentials of nodes'),
    joinStore: joinStore
      .optional()
      .describe('where join tokens and revocations lie; with a sealed root its store, else STATE/trust, if absent'),
    authenticate: authenticate.describe('which credentials prove who a proxy is'),
    names: z
      .array(text)
      .min(1)
      .default(['localhost', '127.0.0.1', '::1'])
      .describe('DNS names and IP addresses of the xDS certificate, beside the address it listens on'),
  })
  .refine(hasSharedSeal, {
    path: ['root', 'sealKey'],
    error: 'replicas share joinStore, so they need one sealKey: what one seals the others open',
  })
  .optional()
  .describe(
    'certificates for proxies, and credentials asked of them; on by default, but for `xds.insecure` and for `xds.tls` without it',
  );

/**
 * Trust where nobody wrote of it: on. Off is what somebody wrote: plaintext by `insecure`, or certificates of their own and
 * no `trust` beside them.
 */
export function trustInEffect(
  said: TrustConfig | undefined,
  xds: { readonly insecure: boolean; readonly tls?: object | undefined },
): TrustConfig | undefined {
  if (said !== undefined || xds.insecure || xds.tls !== undefined) return said;
  return trustSchema.parse({});
}

/** What lies sealed in a store that replicas share must not be sealed with the key of one machine. */
function hasSharedSeal(trust: {
  readonly root: z.output<typeof root>;
  readonly joinStore?: z.output<typeof joinStore> | undefined;
}): boolean {
  const shared = trust.joinStore !== undefined && trust.joinStore.kind !== 'files';
  const { root: kept } = trust;
  return kept.kind === 'files' || kept.kind === 'sealed' || kept.sealKey !== undefined || !shared;
}

export type ConnectConfig = NonNullable<NonNullable<z.output<typeof trustSchema>>['connect']>;
export type TrustConfig = NonNullable<z.output<typeof trustSchema>>;
export type KeyEncryptionKeyConfig = z.output<typeof keyEncryptionKey>;
export type TrustStoreConfig = z.output<typeof joinStore>;
/** A store with its path filled in. */
export type TrustStorePlace =
  | Exclude<TrustStoreConfig, { kind: 'files' }>
  | { readonly kind: 'files'; readonly path: string };

/** The folder of a root that is kept in files. */
export function rootFolder(path: string | undefined, state: string): string {
  return path ?? `${state.replace(/\/+$/, '')}/ca`;
}

/** Files with secrets of whoever keeps the root: nobody else reads them by our name. */
export function rootSecretFiles({ root: kept }: TrustConfig, state: string): readonly string[] {
  const sealing = 'sealKey' in kept ? kept.sealKey?.file : kept.kind === 'sealed' ? kept.key.file : undefined;
  const own =
    kept.kind === 'files'
      ? [rootFolder(kept.path, state)]
      : kept.kind === 'issuer-files'
        ? [kept.privateKeyFile]
        : kept.kind === 'vault'
          ? [kept.token.file]
          : kept.kind === 'step-ca'
            ? [kept.provisioner.jwkFile, kept.provisioner.privateKeyFile]
            : [];
  return [sealing, ...own].filter((path) => path !== undefined);
}

/** Where join tokens and revocations lie, with what nobody said filled in. */
export function joinStorePlace({ joinStore: said, root: kept }: TrustConfig, state: string): TrustStorePlace {
  const store: TrustStoreConfig = said ?? (kept.kind === 'sealed' ? kept.store : { kind: 'files' });
  return store.kind === 'files' ? { kind: 'files', path: store.path ?? ownTrustFolder(state) } : store;
}

/** Where this machine keeps a store of trust of its own. */
export function ownTrustFolder(state: string): string {
  return `${state.replace(/\/+$/, '')}/trust`;
}
