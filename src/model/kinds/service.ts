// `chancery/v1` Service as a user writes it: how one service wants to be reached.
// User-facing YAML only; every field is optional, because several objects can make one service.
// Invariant: strict, bounded. Later versions add here: rate in limits, slowStart and locality in loadBalancer.
import { z } from 'zod';
import { address, bounds, issue, list, map, name, plainHost, port, strict, text } from './fields.ts';
import { health, limits, loadBalancer, timeouts } from './policy.ts';

const endpoint = strict({
  address,
  port: port.optional(),
  weight: z.int().min(1).max(128).optional(),
  health: z.enum(['healthy', 'warning', 'critical']).optional(),
  metadata: map(text).optional(),
  zone: name.optional(),
  /** Port of the sidecar before it, at the same address. */
  proxyPort: port.optional(),
});

const registryKinds = ['service', 'consul', 'etcd', 'files', 'dns', 'memory'] as const;

/** `consul: cart` is the service cart of the Consul registries; `service: cart` that of any. */
const from = strict({
  service: name.optional(),
  consul: name.optional(),
  etcd: name.optional(),
  files: name.optional(),
  dns: name.optional(),
  memory: name.optional(),
  /** Names of registries as configured; left out: all. */
  sources: list(name, 16).optional(),
  metadata: map(text).optional(),
}).check((context) => {
  const names = new Set(registryKinds.flatMap((kind) => context.value[kind] ?? []));
  if (names.size > 1)
    issue(context, 'CH1010', `names several registry services (${[...names].join(', ')}); only one can be meant`);
});

const subset = strict({ name, where: map(text) });

const tlsHelp =
  'How callers reach it: `mesh` as the Mesh says (the default), `strict` in mutual TLS only, `permissive` in mutual TLS ' +
  'where the instance has a sidecar and else in plaintext, `none` in plaintext at its own address.';

export const serviceSpec = strict({
  hosts: list(plainHost).optional(),
  port: port.optional(),
  targetPort: port.optional(),
  protocol: z.enum(['http', 'http2', 'grpc', 'tcp']).optional(),
  from: from.optional(),
  endpoints: list(endpoint, bounds.endpoints).optional(),
  subsets: list(subset).optional(),
  loadBalancer: loadBalancer.optional(),
  health: health.optional(),
  limits: limits.optional(),
  timeouts: timeouts.optional(),
  tls: z.enum(['mesh', 'strict', 'permissive', 'none']).optional().describe(tlsHelp),
}).check((context) => {
  const { endpoints = [], subsets = [], port: servicePort, targetPort } = context.value;
  for (const [index, { port: own }] of endpoints.entries()) {
    if (own === undefined && servicePort === undefined && targetPort === undefined)
      issue(context, 'CH1006', {
        path: ['endpoints', index, 'port'],
        text: 'is missing, and the service has no port or targetPort',
      });
  }
  const seen = new Set<string>();
  for (const [index, { name: subsetName }] of subsets.entries()) {
    if (seen.has(subsetName))
      issue(context, 'CH1010', { path: ['subsets', index, 'name'], text: `is a second subset named "${subsetName}"` });
    seen.add(subsetName);
  }
});

export type ServiceSpec = z.output<typeof serviceSpec>;
