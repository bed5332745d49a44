// `chancery/v1` Certificate as a user writes it: what an edge shows to its clients, from files or issued by the mesh.
// User-facing YAML only. Invariant: it holds paths and names, never a key.
import { z } from 'zod';
import { filePath, hostOrAny, issue, list, strict } from './fields.ts';

const host = hostOrAny.refine((value) => value !== '*', { error: 'must be a host name; "*." may stand before it' });

export const certificateSpec = strict({
  files: strict({ cert: filePath, key: filePath }).optional(),
  issuer: z.enum(['mesh']).optional(),
  hosts: list(host, 64).min(1).optional(),
}).check((context) => {
  const { files, issuer, hosts } = context.value;
  if ((files === undefined) === (issuer === undefined))
    issue(context, 'CH1010', 'needs either files or "issuer: mesh", and not both');
  else if (issuer !== undefined && hosts === undefined)
    issue(context, 'CH1010', { path: ['issuer'], text: 'needs hosts: the names that the certificate is for' });
  else if (files !== undefined && hosts !== undefined)
    issue(context, 'CH1010', {
      path: ['hosts'],
      text: 'goes with issuer only; files say themselves whom they are for',
    });
});

export type CertificateSpec = z.output<typeof certificateSpec>;
