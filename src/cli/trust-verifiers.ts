// Which credentials are believed, from `trust.authenticate`.
// It must not know streams. Invariant: a verifier that is not asked for is not loaded.
import type { Verifier } from '../identity/contract.ts';
import type { NodeTokens } from '../identity/node-token.ts';
import type { TrustConfig } from '../model/config-trust.ts';
import { defined } from '../model/defined.ts';
import type { SourceDeps } from '../sources/source-deps.ts';

export interface VerifierDeps extends SourceDeps {
  /** Names of the services that are known now, which tokens of Consul are asked about. */
  readonly services: () => Iterable<string>;
}

interface VerifierParts {
  readonly trust: TrustConfig;
  readonly nodeTokens: NodeTokens;
  /** The port believes client certificates of another authority, instead of ours. */
  readonly foreignAuthority: boolean;
}

/** Which credentials are believed, in the order in which they are asked. */
export async function verifiersOf(
  deps: VerifierDeps,
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
