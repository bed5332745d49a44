// Sidecars as Envoys of their own on configuration without a control plane, each with a certificate of one authority.
import { createTranslator } from '../../src/translate/translate.ts';
import { worldOf } from './case-file.ts';
import { type Authority, createAuthority } from './certificates.ts';
import { type EnvoyOptions, type RunningEnvoy, startEnvoy } from './envoy.ts';
import { testProtos } from './protos.ts';
import { staticConfig } from './static-config.ts';
import { createTempDir } from './temp-dir.ts';

export interface MeshScene {
  readonly authority: Authority;
  /** Another authority, which nobody trusts. */
  readonly stranger: Authority;
  /** An Envoy of the case that shows this SPIFFE id, whatever the case says. */
  sidecar(spiffeId: string, text: string, options?: EnvoyOptions): Promise<RunningEnvoy>;
  /** Stops every Envoy. */
  end(): Promise<void>;
}

export function createMeshScene(): MeshScene {
  const place = createTempDir('mesh');
  const authority = createAuthority(place.path);
  const running: RunningEnvoy[] = [];
  let leaves = 0;
  return {
    authority,
    stranger: createAuthority(place.path, 'stranger'),
    async sidecar(spiffeId, text, options = {}) {
      const { cert, key } = authority.leaf(`leaf-${leaves++}`, `URI:${spiffeId}`);
      const secrets = [
        {
          name: 'mesh:identity',
          tls_certificate: { certificate_chain: { filename: cert }, private_key: { filename: key } },
        },
        { name: 'mesh:roots', validation_context: { trusted_ca: { filename: authority.ca } } },
      ];
      const { world, profile } = worldOf(text);
      const translator = createTranslator({ protos: testProtos() });
      const { admin: _, ...config } = staticConfig(
        translator.view(world, profile),
        translator.endpoints(world),
        secrets,
      );
      const envoy = await startEnvoy(config, options);
      running.push(envoy);
      return envoy;
    },
    async end() {
      await Promise.all(running.map((envoy) => envoy.stop()));
      place.remove();
    },
  };
}
