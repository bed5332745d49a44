// The root as an authority that is given in files, from `trust.root`: how long its roots are told before they sign, by whom it is
// heard that proxies trust them, and what seals the keys of tokens.
// It must not know what stands in the files. Invariant: replicas that share the join store wait for one another's proxies.
import { createHash } from 'node:crypto';
import type { Roots as TrustedRoots } from '../ca/contract.ts';
import { createIssuerFiles } from '../ca/issuer-files.ts';
import { createRotationFleet } from '../control/rotation-fleet.ts';
import { type IssuerFilesConfig, rootFolder, type TrustConfig } from '../model/config-trust.ts';
import { configuredKey, localSealKey } from './seal-key.ts';
import type { RootDeps, Roots, ToldRoots } from './trust-root.ts';

interface IssuerFilesParts {
  readonly trust: TrustConfig;
  readonly state: string;
  readonly root: IssuerFilesConfig;
  readonly told: ToldRoots;
}

const minuteMs = 60_000;
/** Looks without a word after which a replica has ended; a look is a minute, or a tenth of an intermediate's life. */
const silentLooks = 4;

export async function issuerFilesRoots(deps: RootDeps, { trust, state, root, told }: IssuerFilesParts): Promise<Roots> {
  const { clock, log, metrics } = deps;
  const { leafMs, intermediateMs } = told;
  const fleet = createRotationFleet(
    { ...told, clock },
    { silentMs: silentLooks * Math.min(minuteMs, intermediateMs / 10) },
  );
  const provider = createIssuerFiles(
    {
      ...{ clock, log, metrics },
      uid: process.geteuid?.(),
      async confirmed(roots) {
        const epoch = epochOf(roots);
        await fleet.report(epoch);
        const bundle = roots.roots.map(({ keyId }) => keyId);
        return (await fleet.behind(epoch)) === 0 && (await fleet.unconfirmed(bundle)) === 0;
      },
    },
    {
      ...{
        certificate: root.certificateFile,
        key: root.privateKeyFile,
        roots: root.rootsFile,
        trustDomain: trust.domain,
      },
      // Files reach other replicas a minute or more after this one.
      holdMs: Math.min(2 * minuteMs, leafMs / 10),
      patienceMs: Math.min(60 * minuteMs, leafMs / 2),
      leavingMs: Math.min(10 * minuteMs, leafMs),
    },
  );
  const sealKey =
    root.sealKey === undefined
      ? localSealKey(rootFolder(undefined, state))
      : await configuredKey(deps.environment, root.sealKey);
  const how = `whoever writes ${root.certificateFile} does, and a new authority there is taken up by itself`;
  return { provider, sealKey, rotation: { by: 'others', how } };
}

/** Of the same roots the same on every replica, whichever signs. */
function epochOf({ roots }: TrustedRoots): number {
  const hash = createHash('sha256');
  for (const text of roots.map(({ certificate }) => Buffer.from(certificate).toString('base64')).sort())
    hash.update(text);
  return hash.digest().readUIntBE(0, 6);
}
