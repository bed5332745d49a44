// A Certificate object as the model's. Pure; whether its files can be used is found out where they are read.
import type { Certificate } from './certificate.ts';
import type { MeshObject } from './parse.ts';

export type CertificateObject = Extract<MeshObject, { kind: 'Certificate' }>;

export function compileCertificate({ namespace, name, spec, provenance }: CertificateObject): Certificate {
  const { files, hosts = [] } = spec;
  const from: Certificate['from'] =
    files === undefined ? { kind: 'mesh', hosts: [...new Set(hosts)] } : { kind: 'files', ...files };
  return { namespace, name, from, provenance };
}
