// Core `v1` Service, as people carry it over from Kubernetes: selector, port, targetPort.
// `selector.app` names the registry's service, other labels filter by instance metadata.
import { z } from 'zod';
import { list, map, name, port, strict, text } from './fields.ts';

export const coreServiceSpec = strict({
  selector: map(text).optional(),
  ports: list(
    strict({ name: name.optional(), port, targetPort: port.optional(), protocol: z.literal('TCP').optional() }),
    16,
  )
    .min(1)
    .optional(),
  /** Without meaning here: there is no virtual address. */
  clusterIP: z.string().max(64).optional(),
  type: z.literal('ClusterIP').optional(),
});

export type CoreServiceSpec = z.output<typeof coreServiceSpec>;
