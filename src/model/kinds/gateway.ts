// `chancery/v1` Gateway as a user writes it: an edge proxy's listeners.
// User-facing YAML only. Whether a certificate that a listener names exists is asked elsewhere.
import { isIP } from 'node:net';
import { z } from 'zod';
import { address, hostOrAny, issue, list, name, port, strict } from './fields.ts';

/** Envoy binds to IP addresses only. */
const bindAddress = address.refine((value) => isIP(value) !== 0, {
  error: 'must be an IP address; for localhost write 127.0.0.1',
});

const listener = strict({
  name: name.optional(),
  address: bindAddress.optional(),
  port,
  protocol: z.enum(['http', 'https', 'tcp', 'tls']).optional(),
  hosts: list(hostOrAny).optional(),
  tls: strict({ certificate: name, client: z.enum(['none', 'optional', 'required']).optional() }).optional(),
  httpsRedirect: z.boolean().optional(),
});

export const gatewaySpec = strict({ listeners: list(listener, 64).min(1) }).check((context) => {
  const names = new Set<string>();
  for (const [index, entry] of context.value.listeners.entries()) {
    const own = entry.name ?? `${entry.protocol ?? 'http'}-${entry.port}`;
    if (names.has(own))
      issue(context, 'CH1010', { path: ['listeners', index], text: `is a second listener named "${own}"` });
    names.add(own);
    if (entry.tls !== undefined && entry.protocol !== 'https' && entry.protocol !== 'tls')
      issue(context, 'CH1010', { path: ['listeners', index, 'tls'], text: 'goes with protocol https or tls only' });
    if (entry.httpsRedirect === true && (entry.protocol ?? 'http') !== 'http')
      issue(context, 'CH1010', { path: ['listeners', index, 'httpsRedirect'], text: 'goes with protocol http only' });
  }
});

export type GatewaySpec = z.output<typeof gatewaySpec>;
