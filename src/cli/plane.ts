// Puts a control plane together from its configuration: sources, translation, control and the xDS server. HTTP is joined
// to it by main.ts. It reads no file and no environment. Invariant: what a configuration does not name is not loaded.

import type { LifeOptions } from '../ca/authority-lives.ts';
import type { Control } from '../control/contract.ts';
import { createKeyFiles } from '../control/key-files.ts';
import type { AccessTokens } from '../identity/access-token.ts';
import type { Config } from '../model/config.ts';
import type { TrustConfig } from '../model/config-trust.ts';
import { secretFiles } from '../model/secret-files.ts';
import type { ObjectSource, ObjectStore, RegistrySource } from '../model/source.ts';
import type { Resource } from '../resources/resource.ts';
import type { SourceDeps } from '../sources/source-deps.ts';
import { runAll } from '../util/tasks.ts';
import type { ClientConfig } from '../xds/contract.ts';
import type { XdsServerOptions } from '../xds/grpc/server.ts';
import type { AskerOf } from '../xds/readers.ts';
import { shown } from '../xds/secrets.ts';
import type { XdsPoolDeps } from '../xds/workers/pool.ts';
import { createEdgeFiles, tokenKeys } from './edge-files.ts';
import { createObjectStore, createRegistry } from './sources.ts';
import type { Trust } from './trust.ts';
import { createTrustOpening } from './trust-opening.ts';
import { xdsOptions } from './xds-options.ts';

export interface PlaneDeps extends SourceDeps {
  readonly descriptorSet: Uint8Array;
  /** Sources that the caller holds in its hand, before those that the configuration names. */
  readonly held?: { readonly registries: readonly RegistrySource[]; readonly stores: readonly ObjectStore[] };
  /** Where a key-encryption key may stand. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Whose a token of the API is that came with a stream, where credentials are asked for; absent: nobody's. */
  readonly askers?: (accessTokens: AccessTokens) => AskerOf;
  /** Other lives of certificates than the configuration can ask for: for tests. */
  readonly lives?: LifeOptions;
}

export interface Plane {
  readonly control: Control;
  /** Tokens of the API beside the first. */
  readonly accessTokens: AccessTokens;
  /** Where certificates are issued and credentials asked for. */
  readonly trust?: Trust;
  /** A resource as proto3 JSON; of a secret nothing. */
  decode(resource: Resource): unknown;
  /** What the streams of a node say of themselves; empty for a node not connected. */
  streamsOf(node: string): Promise<readonly ClientConfig[]>;
  /**
   * Resolves once the authority is open and the files of its own certificate are there, or it was stopped before; rejects where
   * it cannot be opened.
   */
  readonly opened: Promise<void>;
  /** Resolves once proxies can connect. */
  readonly listening: Promise<{ readonly address: string; readonly port: number }>;
  /** Runs until aborted, then drains streams and stops sources. */
  run(signal: AbortSignal): Promise<void>;
}

/** How often the files that Authorizations name are looked at. */
const keyFilesEveryMs = 2_000;

export async function createPlane(deps: PlaneDeps, config: Config): Promise<Plane> {
  const { workers } = config.xds;
  const [{ createControl }, { createTranslator }, { createProtos }, { restSources }, createXds] = await Promise.all([
    import('../control/control.ts'),
    import('../translate/translate.ts'),
    import('../resources/protos.ts'),
    import('../translate/rest-sources.ts'),
    // With workers the main thread never loads what speaks gRPC.
    workers > 1
      ? import('../xds/workers/pool.ts').then(
          ({ createXdsPool }) =>
            (xdsDeps: XdsPoolDeps, options: XdsServerOptions) =>
              createXdsPool(xdsDeps, { ...options, workers }),
        )
      : import('../xds/grpc/server.ts').then(({ createXdsServer }) => createXdsServer),
  ]);
  const { clock, random, log, metrics, descriptorSet } = deps;
  const protos = createProtos(descriptorSet);
  const { registries: heldRegistries = [], stores: heldStores = [] } = deps.held ?? {};
  const registries = [
    ...heldRegistries,
    ...(await Promise.all((config.registries ?? []).map((registry) => createRegistry(deps, registry)))),
  ];
  const stores = [
    ...heldStores,
    ...(await Promise.all((config.objects ?? []).map((objects) => createObjectStore(deps, objects)))),
  ];
  const objectSources: readonly ObjectSource[] = stores;
  const [store] = stores;
  function knownServices(): Iterable<string> {
    return control.world()?.services.keys() ?? [];
  }
  const streamsOf = (node: string): Promise<readonly ClientConfig[]> =>
    xds.clients([{ id: { kind: 'exact', text: node, ignoreCase: false }, metadata: [] }]);
  const trust =
    config.trust === undefined
      ? undefined
      : await import('./trust.ts').then(({ createTrust }) =>
          createTrust(
            {
              ...{ ...deps, protos, environment: deps.environment ?? {}, services: knownServices },
              nodes: () => control.certificates().map(({ node }) => node),
              streamsOf,
              certificates: () => control.certificates(),
            },
            config,
            config.trust as TrustConfig,
          ),
        );
  const opening = trust && createTrustOpening({ clock, random, log: log.child('trust') }, trust);
  const keyFiles = createKeyFiles(
    { clock, log, files: createEdgeFiles(secretFiles(config, config.trust), tokenKeys) },
    keyFilesEveryMs,
  );
  const control: Control = createControl(
    {
      clock,
      log,
      metrics,
      translator: createTranslator({ protos }),
      registries,
      objectSources,
      keyFiles,
      ...(store === undefined ? {} : { store }),
      ...(opening === undefined ? {} : { awaits: () => [...opening.waitingFor(), ...(trust?.awaits() ?? [])] }),
      ...(trust === undefined ? {} : { authenticator: trust.authenticator, secrets: trust.secrets, edge: trust.edge }),
    },
    {
      holdMs: config.guard.holdSeconds * 1000,
      ...(trust === undefined ? {} : { trustDomain: trust.trustDomain }),
    },
  );
  const xds = createXds(
    {
      clock,
      random,
      log,
      metrics,
      provider: control,
      onEvent: control.xdsEvent,
      identifier: config.node,
      descriptors: async () => descriptorSet,
      ...(trust === undefined ? {} : { doors: trust.serveDoors, askerOf: deps.askers?.(trust.accessTokens) }),
      json: async (resource) => JSON.stringify(restSources(protos.decode(resource.type, shown(resource).bytes))),
    },
    xdsOptions(config.xds, trust?.files),
  );
  const opened = Promise.withResolvers<void>();
  // Whoever does not wait for it learns of the failure from `run`.
  opened.promise.catch(() => {});
  return {
    control,
    opened: opened.promise,
    ...(trust === undefined ? {} : { trust }),
    accessTokens: trust?.accessTokens ?? (await accessTokensIn(deps, config.state)),
    decode: (resource) => protos.decode(resource.type, shown(resource).bytes, { protoNames: true }),
    streamsOf,
    listening: xds.listening,
    async run(signal) {
      try {
        const isOpen = (await opening?.open(signal)) ?? true;
        opened.resolve();
        if (!isOpen) return;
      } catch (error) {
        opened.reject(error);
        throw error;
      }
      await runAll(signal, [
        (inner) => control.run(inner),
        (inner) => keyFiles.run(inner),
        (inner) => xds.run(inner),
        ...(trust === undefined ? [] : [(inner: AbortSignal) => trust.run(inner)]),
      ]);
    },
  };
}

/** Without an authority there is no store that replicas share: beside the first token then. Nothing is read before the first use. */
async function accessTokensIn(deps: PlaneDeps, state: string): Promise<AccessTokens> {
  const [{ createAccessTokens }, { storeAt }] = await Promise.all([
    import('../identity/access-token.ts'),
    import('./trust-store.ts'),
  ]);
  const store = await storeAt(deps, { kind: 'files', path: `${state.replace(/\/+$/, '')}/trust` });
  return createAccessTokens({ store, clock: deps.clock });
}
