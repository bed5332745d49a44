// step-ca as the keeper of the root, from `trust.root`: where it is, by which fingerprint it is known, and its provisioner.
// It must not know what is asked of it. Invariant: the provisioner's key is read at every use, and checked each time.
import { authorityUrl, createAuthorityAsk } from '../ca/authority-ask.ts';
import { createStepCa, stepCaWords } from '../ca/step-ca.ts';
import { signProvisionerToken } from '../identity/provisioner-token.ts';
import type { StepCaRootConfig } from '../model/config-trust.ts';
import { readProvisionerKey } from './provisioner-key.ts';
import type { RootDeps, RootParts, Roots } from './trust-root.ts';
import { outsideRoots } from './trust-root-outside.ts';

export async function stepCaRoots(deps: RootDeps, parts: RootParts, root: StepCaRootConfig): Promise<Roots> {
  const url = authorityUrl(root.address);
  const name = `step-ca at ${url}`;
  const ask = createAuthorityAsk(deps, { name, wordsOf: stepCaWords });
  const { provisioner } = root;
  const authority = createStepCa(
    { ask, clock: deps.clock },
    {
      ...{ name, url },
      fingerprint: root.fingerprint.toLowerCase(),
      async token(of) {
        const key = await readProvisionerKey(provisioner, process.geteuid?.());
        // Provisioners of the other kinds than JWK are found by what stands behind the hash sign.
        const audience = `${url}/1.0/sign${'kid' in key.header ? '' : `#x5c/${provisioner.name}`}`;
        return signProvisionerToken(key, { ...of, issuer: provisioner.name, audience, nowMs: deps.clock.wall() });
      },
    },
  );
  return outsideRoots(deps, parts, { kind: root.kind, authority, sealKey: root.sealKey });
}
