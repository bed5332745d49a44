// `linkerd.io/v1` Route as the seed article writes it: one host, its destinations, and the object's share of it.
import { z } from 'zod';
import { hostOrAny, list, port, serviceRef, strict, weight } from './fields.ts';

export const linkerdRouteSpec = strict({
  host: hostOrAny,
  kind: z.literal('service').optional(),
  /** Share of this object where several claim one host. */
  weight: weight.optional(),
  protocol: z.enum(['HTTP', 'TCP', 'http', 'tcp']).optional(),
  routes: list(
    strict({ kind: z.literal('service').optional(), service: strict({ name: serviceRef, port: port.optional() }) }),
    64,
  ).min(1),
});

export type LinkerdRouteSpec = z.output<typeof linkerdRouteSpec>;
