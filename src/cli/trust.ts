// Puts together who signs, who is believed and what the xDS port shows, from the `trust` section of the configuration.
// It must not know xDS streams or HTTP. Invariant: what the section does not name is not loaded, and nothing is open before
// `open` has resolved.
import { isIP } from 'node:net';
import { join } from 'node:path';
import { checkedLives, type LifeOptions } from '../ca/authority-lives.ts';
import type { Authority, RootProvider } from '../ca/contract.ts';
import { createEdgeCertificates, type EdgeCertificates } from '../control/edge-certificates.ts';
import { createEnrolment } from '../control/enrolment.ts';
import { createEnrolmentDoors, type EnrolmentDoors, enrolmentPaths } from '../control/enrolment-doors.ts';
import type { ProxyCertificate } from '../control/proxy-certificate.ts';
import { createSecrets, type Secrets } from '../control/secrets.ts';
import type { AccessTokens } from '../identity/access-token.ts';
import type { Authenticator } from '../identity/contract.ts';
import type { Families } from '../identity/families.ts';
import type { JoinTokens } from '../identity/join-token.ts';
import type { Revocations } from '../identity/revocations.ts';
import type { Config } from '../model/config.ts';
import { type ConnectConfig, joinStorePlace, ownTrustFolder, type TrustConfig } from '../model/config-trust.ts';
import { secretFiles } from '../model/secret-files.ts';
import { spiffeId } from '../model/spiffe.ts';
import type { Protos } from '../resources/protos.ts';
import { createSecretEncoder } from '../translate/secrets.ts';
import { errorText } from '../util/errors.ts';
import { runAll } from '../util/tasks.ts';
import type { ClientConfig, Doors } from '../xds/contract.ts';
import { createEdgeFiles } from './edge-files.ts';
import { createListenerFiles, type ListenerFiles } from './listener-files.ts';
import type { RootRotation } from './root-rotation.ts';
import { createSealing } from './seal-key.ts';
import { createAwaited } from './trust-awaited.ts';
import { createTrustMemory } from './trust-memory.ts';
import { type RootDeps, rootsOf } from './trust-root.ts';
import { createStateSigns } from './trust-state.ts';
import { storeAt } from './trust-store.ts';
import { type VerifierDeps, verifiersOf } from './trust-verifiers.ts';

/** Who issues the certificates of proxies. */
type MeshAuthority = Pick<Authority, 'issue' | 'roots' | 'onRoots' | 'isTainted'>;

export interface Trust {
  /** Our own: of the xDS port and of nodes, and of proxies unless somebody else issues those. */
  readonly authority: Authority;
  readonly mesh: MeshAuthority;
  /** What names of proxies begin with. */
  readonly trustDomain: string;
  readonly authenticator: Authenticator;
  /** How another root takes the place of the one that signs. */
  readonly rotation: Pick<RootRotation, 'begin' | 'force' | 'condemn' | 'state' | 'how' | 'look'>;
  readonly secrets: Secrets;
  /** What edges show to their clients. */
  readonly edge: EdgeCertificates;
  readonly joinTokens: JoinTokens;
  /** Of the API. */
  readonly accessTokens: AccessTokens;
  readonly revocations: Revocations;
  readonly families: Pick<Families, 'of'>;
  /** How nodes come by credentials. */
  readonly doors: EnrolmentDoors;
  /** The same on the xDS port. */
  readonly serveDoors: Doors;
  /** PEM files of the xDS port: its certificate and key where the configuration names none, and the roots. */
  readonly files: ListenerFiles['paths'];
  /** The authority that is waited for as long as it gave no intermediate: no address, and of a failure only its code. */
  awaits(): readonly string[];
  /** Loads or makes the root, the signing keys and the certificate of the xDS port. */
  open(): Promise<void>;
  run(signal: AbortSignal): Promise<void>;
}

const dayMs = 86_400_000;
/** How often the files of edge certificates are looked at. */
const edgeFilesEveryMs = 2_000;

export interface TrustDeps extends RootDeps, VerifierDeps {
  readonly protos: Protos;
  /** Proxies that have a certificate, and what the streams of one have been told. */
  readonly nodes: () => Iterable<string>;
  readonly streamsOf: (node: string) => Promise<readonly ClientConfig[]>;
  readonly certificates: () => readonly ProxyCertificate[];
  /** Other lives than the configuration can ask for: for tests. */
  readonly lives?: LifeOptions;
}

export async function createTrust(
  deps: TrustDeps,
  config: Pick<Config, 'state' | 'xds' | 'http' | 'registries' | 'objects'>,
  trust: TrustConfig,
): Promise<Trust> {
  const { state, xds, http } = config;
  const { clock, random, log, metrics, protos } = deps;
  const trustDomain = trust.domain;
  const [ca, tokens, joins, keys, lists, asked, access, kin] = await Promise.all([
    import('../ca/authority.ts'),
    import('../identity/node-token.ts'),
    import('../identity/join-token.ts'),
    import('../identity/signing-keys.ts'),
    import('../identity/revocations.ts'),
    import('../identity/authenticator.ts'),
    import('../identity/access-token.ts'),
    import('../identity/families.ts'),
  ]);
  const place = joinStorePlace(trust, state);
  const store = await storeAt(deps, place);
  const signs = createStateSigns(state);
  const own = ownTrustFolder(state);
  const local =
    place.kind === 'files' && place.path === own ? store : await storeAt(deps, { kind: 'files', path: own });
  const memory = createTrustMemory({ clock, log, store, local, asFound: signs.asFound });
  const awaited = createAwaited(clock, trust.root.kind);
  const lifeOptions = { leafLifeMs: trust.leafMinutes * 60_000, ...deps.lives };
  const { nodes, streamsOf } = deps;
  const connect =
    trust.connect === undefined
      ? undefined
      : await import('./trust-connect.ts').then(({ openConnect }) => openConnect(deps, trust.connect as ConnectConfig));
  const rootsVersion = (): string => encode.roots(mesh.roots().roots.map(({ certificate }) => certificate)).version;
  const {
    provider: kept,
    sealKey,
    rotation: rotated,
  } = await rootsOf(deps, {
    ...{ trust, state, memory },
    told: { ...checkedLives(lifeOptions), store, nodes, streamsOf, rootsVersion },
  });
  const ownJournal = rotated.by === 'us' ? rotated.journal : undefined;
  const provider: RootProvider = awaited.watch({
    ...kept,
    async open() {
      const roots = await kept.open();
      if (ownJournal !== undefined) await memory.opened(roots);
      return roots;
    },
  });
  const revocations = lists.createRevocations({ store, clock, log, metrics });
  const isTainted = (issuer: string): boolean => revocations.isRevoked('issuer', issuer) === true;
  const names = listenerNames(trust, [xds.address, ...(http.tls?.issuer === 'mesh' ? [http.address] : [])]);
  const authority = ca.createAuthority(
    { clock, random, log, metrics, provider, isTainted },
    { trustDomain, reservedHosts: [trustDomain, 'localhost', ...names.dns].map(lower), ...lifeOptions },
  );
  const mesh: MeshAuthority = connect ?? authority;
  const { seal, unseal } = createSealing(sealKey, trustDomain);
  const signingKeys = keys.createSigningKeys({ store, clock, log, seal, open: unseal });
  const nodeTokens = tokens.createNodeTokens(
    { keys: signingKeys, clock },
    { trustDomain, lifeMs: trust.nodeTokenDays * dayMs },
  );
  const { verifiers, background } = await verifiersOf(deps, {
    ...{ trust, nodeTokens },
    foreignAuthority: xds.tls?.clientCa !== undefined,
  });
  const listenerFiles = createListenerFiles(
    { clock, random, log, authority },
    {
      folder: join(state, 'xds'),
      ...names,
    },
  );
  const authenticator = asked.createAuthenticator({ verifiers, revocations, clock, log, metrics });
  const joinTokens = joins.createJoinTokens({ store, clock, log }, { trustDomain });
  const families = kin.createFamilies({ store, clock, log });
  const enrolment = createEnrolment(
    { joinTokens, nodeTokens, families, authority, clock, log },
    { trustDomain, lifeMs: trust.nodeTokenDays * dayMs },
  );
  const doors = createEnrolmentDoors({ enrolment, authenticate: authenticator.authenticate, clock, log });
  const encode = createSecretEncoder({ protos });
  const edge = createEdgeCertificates(
    { clock, log, metrics, encode, authority, files: createEdgeFiles(secretFiles(config, trust)) },
    edgeFilesEveryMs,
  );
  const former = (): ReadonlySet<string> => {
    const signs = mesh.roots().roots[0]?.keyId;
    return new Set(deps.certificates().flatMap(({ node, root }) => (root === signs ? [] : [node])));
  };
  const { createForeignRotation, createRootRotation } = await import('./root-rotation.ts');
  const rotation =
    rotated.by === 'others'
      ? createForeignRotation(rotated.how)
      : createRootRotation(
          { ...deps, former },
          {
            ...{ ...rotated, authority, rootsVersion, lives: lifeOptions },
          },
        );
  /** An intermediate that is tainted is replaced at once; a provider that cannot be asked is asked again by the authority. */
  async function replaceTainted(signal: AbortSignal): Promise<void> {
    const stop = revocations.onRevoked((ids) => {
      if (![...ids].some(isTainted)) return;
      authority
        .refresh()
        .catch((error: unknown) => log.warn('the intermediate could not be replaced yet', { error: errorText(error) }));
    });
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    stop();
  }

  return {
    ...{ authority, mesh, trustDomain: connect?.place() ?? trustDomain },
    authenticator,
    rotation,
    secrets: createSecrets({ clock, random, log, authority: mesh, encode }),
    edge,
    joinTokens,
    accessTokens: access.createAccessTokens({ store, clock }),
    revocations,
    families,
    doors,
    async serveDoors({ method, path, body, credentials }) {
      if (method === 'GET') return path === enrolmentPaths.roots ? doors.roots() : undefined;
      if (path === enrolmentPaths.join) return doors.join(body, credentials.address);
      return path === enrolmentPaths.renew ? doors.renew(body, credentials) : undefined;
    },
    files: listenerFiles.paths,
    awaits: awaited.words,
    async open() {
      // Before a key is made: an empty store is either the first start or a loss.
      await memory.checkStore(trust.root.kind, async () =>
        (await ownJournal?.load()) === undefined ? signs.ofBefore() : 'the journal beside the root',
      );
      // Before a root is made: where these cannot be opened the folder of the authority was lost, and is to be restored.
      await signingKeys.open();
      // Before the journal is read: nobody goes on without this replica from now on.
      await rotation.join();
      await authority.open();
      await revocations.open();
      await listenerFiles.open();
      await signs.done();
    },
    async run(signal) {
      try {
        await runAll(signal, [
          (inner) => authority.run(inner),
          ...(connect === undefined ? [] : [(inner: AbortSignal) => connect.run(inner)]),
          (inner) => rotation.run(inner),
          (inner) => signingKeys.run(inner),
          (inner) => revocations.run(inner),
          (inner) => replaceTainted(inner),
          (inner) => listenerFiles.run(inner),
          (inner) => edge.run(inner),
          ...background,
        ]);
      } finally {
        store.close();
        local.close();
        rotation.close();
      }
    },
  };
}

const lower = (text: string): string => text.toLowerCase();

/** What the certificate of the xDS port, and of the API where it shows the same, is for. */
function listenerNames({ domain, names }: TrustConfig, addresses: readonly string[]) {
  const uri = spiffeId({ kind: 'control-plane', trustDomain: domain }) ?? '';
  const all = [...new Set([...names, ...addresses.filter((one) => one !== '0.0.0.0' && one !== '::')])];
  return { uri, dns: all.filter((name) => isIP(name) === 0), ips: all.filter((name) => isIP(name) !== 0) };
}
