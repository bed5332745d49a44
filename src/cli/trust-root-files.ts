// The root as an authority that is given in files, from `trust.root`: how long its roots are told before they sign, by whom it is
// heard that proxies trust them, and what seals the keys of tokens.
// It must not know what stands in the files. Invariant: replicas that share the join store wait for one another's proxies.
import { createIssuerFiles } from '../ca/issuer-files.ts';
import { type IssuerFilesConfig, rootFolder } from '../model/config-trust.ts';
import { sealKeyOf } from './seal-key.ts';
import { createConfirmed, takeOverLimits } from './told-roots.ts';
import type { RootDeps, RootParts, Roots } from './trust-root.ts';

const minuteMs = 60_000;

export async function issuerFilesRoots(
  deps: RootDeps,
  { trust, state, told }: RootParts,
  root: IssuerFilesConfig,
): Promise<Roots> {
  const { clock, log, metrics } = deps;
  const { leafMs } = told;
  const provider = createIssuerFiles(
    {
      ...{ clock, log, metrics },
      uid: process.geteuid?.(),
      confirmed: createConfirmed(clock, told),
    },
    {
      certificate: root.certificateFile,
      key: root.privateKeyFile,
      roots: root.rootsFile,
      trustDomain: trust.domain,
      ...takeOverLimits(leafMs),
      leavingMs: Math.min(10 * minuteMs, leafMs),
    },
  );
  const sealKey = await sealKeyOf(deps.environment, root.sealKey, rootFolder(undefined, state));
  const how = `whoever writes ${root.certificateFile} does, and a new authority there is taken up by itself`;
  return { provider, sealKey, rotation: { by: 'others', how } };
}
