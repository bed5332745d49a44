// Puts together who signs, who is believed and what the xDS port shows, from the `trust` section of the configuration.
// It must not know xDS streams or HTTP. Invariant: what the section does not name is not loaded, and nothing is open before
// `open` has resolved.
import { isIP } from 'node:net';
import { join } from 'node:path';
import type { LifeOptions } from '../ca/authority-lives.ts';
import type { Authority } from '../ca/contract.ts';
import type { KeptRoots } from '../ca/kept-root.ts';
import type { Rotation, RotationJournal } from '../ca/rotation-driver.ts';
import { createEdgeCertificates, type EdgeCertificates } from '../control/edge-certificates.ts';
import { createEnrolment } from '../control/enrolment.ts';
import { createEnrolmentDoors, type EnrolmentDoors, enrolmentPaths } from '../control/enrolment-doors.ts';
import { createSecrets, type Secrets } from '../control/secrets.ts';
import type { Authenticator, Verifier } from '../identity/contract.ts';
import type { JoinTokens } from '../identity/join-token.ts';
import type { NodeTokens } from '../identity/node-token.ts';
import type { Revocations } from '../identity/revocations.ts';
import type { Config } from '../model/config.ts';
import { joinStorePlace, rootFolder, type TrustConfig, type TrustStorePlace } from '../model/config-trust.ts';
import { defined } from '../model/defined.ts';
import { spiffeId } from '../model/spiffe.ts';
import type { Protos } from '../resources/protos.ts';
import type { SourceDeps } from '../sources/source-deps.ts';
import type { ClosableStore } from '../store/guard.ts';
import { createSecretEncoder } from '../translate/secrets.ts';
import { runAll } from '../util/tasks.ts';
import type { ClientConfig, Doors } from '../xds/contract.ts';
import { createEdgeFiles } from './edge-files.ts';
import { createListenerFiles, type ListenerFiles } from './listener-files.ts';
import { keyReaders, localSealKey } from './seal-key.ts';

export interface Trust {
  readonly authority: Authority;
  readonly authenticator: Authenticator;
  /** How another root takes the place of the one that signs. */
  readonly rotation: Pick<Rotation, 'begin' | 'force' | 'state'>;
  readonly secrets: Secrets;
  /** What edges show to their clients. */
  readonly edge: EdgeCertificates;
  readonly joinTokens: JoinTokens;
  readonly revocations: Revocations;
  /** How nodes come by credentials. */
  readonly doors: EnrolmentDoors;
  /** The same on the xDS port. */
  readonly serveDoors: Doors;
  /** PEM files of the xDS port: its certificate and key where the configuration names none, and the roots. */
  readonly files: ListenerFiles['paths'];
  /** Loads or makes the root, the signing keys and the certificate of the xDS port. */
  open(): Promise<void>;
  run(signal: AbortSignal): Promise<void>;
}

const dayMs = 86_400_000;
const rootLifeMs = 3650 * dayMs;
/** How often the files of edge certificates are looked at. */
const edgeFilesEveryMs = 2_000;

export interface TrustDeps extends SourceDeps {
  readonly protos: Protos;
  /** Where a key-encryption key may stand. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Names of the services that are known now, which tokens of Consul are asked about. */
  readonly services: () => Iterable<string>;
  /** Proxies that have a certificate, and what the streams of one have been told. */
  readonly nodes: () => Iterable<string>;
  readonly streamsOf: (node: string) => Promise<readonly ClientConfig[]>;
  /** Other lives than the configuration can ask for: for tests. */
  readonly lives?: LifeOptions;
}

export async function createTrust(
  deps: TrustDeps,
  { state, xds }: Pick<Config, 'state' | 'xds'>,
  trust: TrustConfig,
): Promise<Trust> {
  const { clock, random, log, metrics, protos } = deps;
  const trustDomain = trust.domain;
  const [ca, tokens, joins, keys, lists, asked] = await Promise.all([
    import('../ca/authority.ts'),
    import('../identity/node-token.ts'),
    import('../identity/join-token.ts'),
    import('../identity/signing-keys.ts'),
    import('../identity/revocations.ts'),
    import('../identity/authenticator.ts'),
  ]);
  const store = await storeAt(deps, joinStorePlace(trust, state));
  const { provider, sealKey, store: rootStore, journal } = await rootsOf(deps, { trust, state });
  const lifeOptions = { leafLifeMs: trust.leafMinutes * 60_000, ...deps.lives };
  const authority = ca.createAuthority({ clock, random, log, metrics, provider }, { trustDomain, ...lifeOptions });
  const { seal, unseal } = await import('../ca/envelope.ts');
  const placeOf = (path: string) => ({ path, trustDomain, generation: 1 });
  const signingKeys = keys.createSigningKeys({
    ...{ store, clock, log },
    seal: async (plain, path) => seal(await sealKey(), placeOf(path), plain),
    open: async (sealed, path) => unseal(await sealKey(), placeOf(path), sealed),
  });
  const nodeTokens = tokens.createNodeTokens(
    { keys: signingKeys, clock },
    { trustDomain, lifeMs: trust.nodeTokenDays * dayMs },
  );
  const revocations = lists.createRevocations({ store, clock, log, metrics });
  const { verifiers, background } = await verifiersOf(deps, {
    ...{ trust, nodeTokens },
    foreignAuthority: xds.tls?.clientCa !== undefined,
  });
  const listenerFiles = createListenerFiles(
    { clock, random, log, authority },
    { folder: join(state, 'xds'), ...listenerNames(trust, xds.address) },
  );
  const authenticator = asked.createAuthenticator({ verifiers, revocations, clock, log, metrics });
  const joinTokens = joins.createJoinTokens({ store, clock, log }, { trustDomain });
  const enrolment = createEnrolment(
    { joinTokens, nodeTokens, authority, clock, log },
    { trustDomain, lifeMs: trust.nodeTokenDays * dayMs },
  );
  const doors = createEnrolmentDoors({ enrolment, authenticate: authenticator.authenticate, clock, log });
  const encode = createSecretEncoder({ protos });
  const closed = [
    state,
    ...(trust.root.kind === 'files' ? [rootFolder(trust.root.path, state)] : []),
    ...(xds.tls === undefined ? [] : [xds.tls.key]),
  ];
  const edge = createEdgeCertificates(
    { clock, log, metrics, encode, files: createEdgeFiles(closed) },
    edgeFilesEveryMs,
  );
  const { createRootRotation } = await import('./root-rotation.ts');
  const { fleet, rotation } = createRootRotation(deps, {
    ...{ authority, provider, journal, store: rootStore, lives: lifeOptions },
    rootsVersion: () => encode.roots(authority.roots().roots.map(({ certificate }) => certificate)).version,
  });
  return {
    authority,
    authenticator,
    rotation,
    secrets: createSecrets({ clock, random, log, authority, encode }),
    edge,
    joinTokens,
    revocations,
    doors,
    async serveDoors({ method, path, body, credentials }) {
      if (method === 'GET') return path === enrolmentPaths.roots ? doors.roots() : undefined;
      if (path === enrolmentPaths.join) return doors.join(body, credentials.address);
      return path === enrolmentPaths.renew ? doors.renew(body, credentials) : undefined;
    },
    files: listenerFiles.paths,
    async open() {
      // Before the journal is read: nobody goes on without this replica from now on.
      await fleet.join();
      await authority.open();
      await signingKeys.open();
      await revocations.open();
      await listenerFiles.open();
    },
    async run(signal) {
      try {
        await runAll(signal, [
          (inner) => authority.run(inner),
          (inner) => rotation.run(inner),
          (inner) => signingKeys.run(inner),
          (inner) => revocations.run(inner),
          (inner) => listenerFiles.run(inner),
          (inner) => edge.run(inner),
          ...background,
        ]);
      } finally {
        for (const one of new Set([store, rootStore])) one.close();
      }
    },
  };
}

async function storeAt(deps: SourceDeps, place: TrustStorePlace): Promise<ClosableStore> {
  const { createStore } = await import('../store/store.ts');
  switch (place.kind) {
    case 'files':
      return createStore(deps, { kind: 'files', folder: place.path });
    case 'etcd':
      return createStore(deps, defined(place));
    case 'consul':
      return createStore(deps, defined(place));
  }
}

interface Roots {
  readonly provider: KeptRoots;
  /** What seals the keys that sign tokens: never in the store where they lie. */
  readonly sealKey: () => Promise<Uint8Array>;
  /** Shared by whoever shares the roots: where sealed ones lie, or a folder beside those in files. */
  readonly store: ClosableStore;
  readonly journal: RotationJournal;
}

async function rootsOf(
  deps: TrustDeps,
  { trust, state }: { readonly trust: TrustConfig; readonly state: string },
): Promise<Roots> {
  const { clock } = deps;
  const { root } = trust;
  const [{ createRotationJournal }, { rotationDuties }, store] = await Promise.all([
    import('../ca/rotation-journal.ts'),
    import('../ca/rotation.ts'),
    storeAt(
      deps,
      root.kind === 'files' ? { kind: 'files', path: join(rootFolder(root.path, state), 'rotation') } : root.store,
    ),
  ]);
  const journal = createRotationJournal(store);
  const bundle = async (): Promise<readonly string[] | undefined> => {
    const found = await journal.load();
    return found && rotationDuties(found.record).bundle;
  };
  const common = { trustDomain: trust.domain, lifeMs: rootLifeMs, bundle };
  if (root.kind === 'files') {
    const { createFileRoots } = await import('../ca/roots-files.ts');
    const folder = rootFolder(root.path, state);
    return {
      provider: createFileRoots({ clock, uid: process.geteuid?.() }, { folder, ...common }),
      sealKey: localSealKey(folder),
      ...{ store, journal },
    };
  }
  const [{ createSealedRoots }, { readKeyEncryptionKey }] = await Promise.all([
    import('../ca/roots-sealed.ts'),
    import('../ca/key-encryption-key.ts'),
  ]);
  const { file, env, command } = root.key;
  const source =
    file !== undefined
      ? ({ kind: 'file', path: file } as const)
      : env !== undefined
        ? ({ kind: 'environment', name: env } as const)
        : ({ kind: 'command', command: command ?? [] } as const);
  const readers = keyReaders(deps.environment);
  const keyEncryptionKey = (): Promise<Uint8Array> => readKeyEncryptionKey(readers, source);
  return {
    provider: createSealedRoots({ clock }, { store, keyEncryptionKey, ...common }),
    sealKey: keyEncryptionKey,
    ...{ store, journal },
  };
}

interface VerifierParts {
  readonly trust: TrustConfig;
  readonly nodeTokens: NodeTokens;
  /** The port believes client certificates of another authority, instead of ours. */
  readonly foreignAuthority: boolean;
}

/** Which credentials are believed, in the order in which they are asked. */
async function verifiersOf(
  deps: TrustDeps,
  { trust, nodeTokens, foreignAuthority }: VerifierParts,
): Promise<{
  readonly verifiers: readonly Verifier[];
  readonly background: readonly ((signal: AbortSignal) => Promise<void>)[];
}> {
  const { clock, log } = deps;
  const trustDomain = trust.domain;
  const { certificates, tokens, consul, oidc } = trust.authenticate;
  const verifiers: Verifier[] = tokens ? [nodeTokens] : [];
  const background: ((signal: AbortSignal) => Promise<void>)[] = [];
  if (consul !== undefined) {
    const [{ createConsulTokens }, { createAskConsul }] = await Promise.all([
      import('../identity/consul-token.ts'),
      import('../identity/consul-ask.ts'),
    ]);
    const ask = createAskConsul(clock, defined({ address: consul.address, caFile: consul.caFile }));
    const made = createConsulTokens({ ask, clock, log, known: deps.services }, { trustDomain });
    verifiers.push(made);
    background.push((signal) => made.run(signal));
  }
  if (oidc !== undefined) {
    const { createOidcVerifier } = await import('../identity/oidc-token.ts');
    verifiers.push(createOidcVerifier({ clock, log }, { trustDomain, ...oidc, rules: oidc.rules.map(defined) }));
  }
  if (certificates) {
    const { createCertificateVerifier } = await import('../identity/client-certificate.ts');
    verifiers.push(createCertificateVerifier({ clock }, { trustDomain, servers: foreignAuthority }));
  }
  return { verifiers, background };
}

/** What the certificate of the xDS port is for. */
function listenerNames({ domain, names }: TrustConfig, address: string) {
  const uri = spiffeId({ kind: 'control-plane', trustDomain: domain }) ?? '';
  const all = [...new Set(address === '0.0.0.0' || address === '::' ? names : [...names, address])];
  return { uri, dns: all.filter((name) => isIP(name) === 0), ips: all.filter((name) => isIP(name) !== 0) };
}
