// The root as an authority that is given in files, from `trust.root`: how long its roots are told before they sign, and how long
// one that signed is trusted after it.
// It must not know what stands in the files. Invariant: what the keeper leaves out of the file is distrusted as he means it.
import { createIssuerFiles } from '../ca/issuer-files.ts';
import type { IssuerFilesConfig } from '../model/config-trust.ts';
import { takeOverLimits } from './told-roots.ts';
import type { RootDeps, RootParts, Roots } from './trust-root.ts';
import { outsideRoots } from './trust-root-outside.ts';

const minuteMs = 60_000;

export async function issuerFilesRoots(deps: RootDeps, parts: RootParts, root: IssuerFilesConfig): Promise<Roots> {
  const { leafMs } = parts.told;
  const { holdMs, patienceMs } = takeOverLimits(leafMs);
  const authority = createIssuerFiles(
    { clock: deps.clock, uid: process.geteuid?.() },
    {
      certificate: root.certificateFile,
      key: root.privateKeyFile,
      roots: root.rootsFile,
      trustDomain: parts.trust.domain,
    },
  );
  return outsideRoots(deps, parts, {
    ...{ kind: root.kind, authority, sealKey: root.sealKey },
    limits: {
      ...{ startMs: holdMs, holdMs, patienceMs },
      leavingMs: Math.min(10 * minuteMs, leafMs),
      leftOutIsDistrusted: true,
    },
    how: `whoever writes ${root.certificateFile} does, and a new authority there is taken up by itself`,
  });
}
