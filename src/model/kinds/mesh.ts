// `chancery/v1` Mesh as a user writes it: the one object with mesh-wide defaults.
// User-facing YAML only. Later versions add here, beside accessLog: tracing, metrics.
import { z } from 'zod';
import { plainHost, strict } from './fields.ts';
import { health, limits, loadBalancer, retry, timeouts } from './policy.ts';

const mtlsHelp =
  'Mutual TLS between sidecars and gateways: `strict` withholds instances without a sidecar (the default where certificates ' +
  'are issued), `permissive` reaches those in plaintext, `off` reaches all in plaintext.';

export const meshSpec = strict({
  domain: plainHost.optional(),
  trustDomain: plainHost.optional(),
  mtls: z.enum(['strict', 'permissive', 'off']).optional().describe(mtlsHelp),
  defaults: strict({
    loadBalancer: loadBalancer.optional(),
    timeouts: timeouts.optional(),
    health: health.optional(),
    limits: limits.optional(),
    retry: retry.optional(),
  }).optional(),
  telemetry: strict({ accessLog: z.boolean().optional() }).optional(),
});

export type MeshSpec = z.output<typeof meshSpec>;
