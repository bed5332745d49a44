// Secrets as Envoy takes them: a proxy's certificate with its key, and the authorities it trusts.
// It must not keep what it encodes. Invariant: nothing of a key is in a Problem, a log or an error.
import { createEncoder } from '../resources/encode.ts';
import type { Protos } from '../resources/protos.ts';
import type { Resource } from '../resources/resource.ts';
import { edgeSecret, identitySecret, rootsSecret } from '../resources/secret-names.ts';
import { typeUrls } from '../resources/type-urls.ts';
import { pemText } from '../util/pem.ts';

export interface SecretEncoder {
  /** DER: the leaf, then its intermediates; the key as PKCS#8. */
  identity(chain: readonly Uint8Array[], key: Uint8Array): Resource;
  /** The certificate of an edge, the same way. */
  edge(
    certificate: { readonly namespace: string; readonly name: string },
    content: { readonly chain: readonly Uint8Array[]; readonly key: Uint8Array },
  ): Resource;
  /** DER of every trusted root, at least one: Envoy refuses an empty list. */
  roots(certificates: readonly Uint8Array[]): Resource;
}

/** Source: Envoy's Secret, with PEM inline. Throws where the message cannot be made, without what was in it. */
export function createSecretEncoder({ protos }: { readonly protos: Protos }): SecretEncoder {
  const encoder = createEncoder(protos, new Map());
  const secret = (name: string, content: object): Resource => {
    const made = encoder.resource({ type: typeUrls.secret, name }, { name, ...content }, { deps: [], provenance: [] });
    if (!made.ok) throw new Error(`secret "${name}" could not be encoded`);
    return made.value;
  };
  const shown = (name: string, chain: readonly Uint8Array[], key: Uint8Array): Resource =>
    secret(name, {
      tlsCertificate: {
        certificateChain: { inlineBytes: pem('CERTIFICATE', chain) },
        privateKey: { inlineBytes: pem('PRIVATE KEY', [key]) },
      },
    });
  return {
    identity: (chain, key) => shown(identitySecret, chain, key),
    edge: (certificate, { chain, key }) => shown(edgeSecret(certificate), chain, key),
    roots: (certificates) =>
      secret(rootsSecret, { validationContext: { trustedCa: { inlineBytes: pem('CERTIFICATE', certificates) } } }),
  };
}

/** Base64 of the PEM text, as proto3 JSON has bytes. */
function pem(label: Parameters<typeof pemText>[0], ders: readonly Uint8Array[]): string {
  return Buffer.from(pemText(label, ders)).toString('base64');
}
