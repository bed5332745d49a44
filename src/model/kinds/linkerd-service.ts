// `linkerd.io/v1` Service as the seed article writes it: host, port, app.
import type { z } from 'zod';
import { name, plainHost, port, strict } from './fields.ts';

export const linkerdServiceSpec = strict({
  host: plainHost.optional(),
  port: port.optional(),
  app: name.optional(),
});

export type LinkerdServiceSpec = z.output<typeof linkerdServiceSpec>;
