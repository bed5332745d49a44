// Where things come from, also those that nobody wrote. Invariant: every Problem points at something a person can find.
import type { Provenance } from '../model/provenance.ts';
import type { Service } from '../model/service.ts';

/** The first object of a service, or the service itself where only a registry knows it. */
export function provenanceOf(service: Service): Provenance {
  return (
    service.provenance[0] ?? {
      source: '',
      file: '',
      line: 0,
      column: 0,
      object: `Service ${service.namespace}/${service.name}`,
    }
  );
}
