// From a JSON message to a resource record: strict encoding, the protos' own rules, the hash.
// It must not know what the message means. Invariant: never throws; what cannot be encoded is a Problem on its origin,
// and equal content is the same record as the last one of that name.
import { createProblem, type Problem } from '../model/problem.ts';
import type { Provenance } from '../model/provenance.ts';
import { contentHash } from '../util/hash.ts';
import { ProtoJsonError, type Protos } from './protos.ts';
import type { Resource, ResourceRef } from './resource.ts';
import { shortNames, type TypeUrl, typeUrls } from './type-urls.ts';
import { createValidator } from './validate.ts';

/** What stands in a Problem where nobody wrote anything: a service known from a registry alone. */
export const noProvenance: Provenance = { source: '', file: '', line: 0, column: 0, object: '' };

export interface Origin {
  readonly deps: readonly ResourceRef[];
  readonly provenance: readonly Provenance[];
}

export type Encoded<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: Problem };

export interface Encoder {
  /** A whole resource. `name` must be the name in the message. */
  resource(ref: ResourceRef, json: object, origin: Origin): Encoded<Resource>;
  /** Bytes of a part, checked like a resource. `what` names it in the Problem. */
  bytes(type: TypeUrl, json: object, origin: { readonly what: string; readonly at: Provenance }): Encoded<Uint8Array>;
  /** A record of bytes made elsewhere; the caller counts. */
  record(ref: ResourceRef, bytes: Uint8Array, origin: Origin): Resource;
  count(type: TypeUrl): void;
}

/** `encoded`: messages encoded, by short type name. */
export function createEncoder(protos: Protos, encoded: Map<string, number>): Encoder {
  const validate = createValidator(protos);
  const count = (type: TypeUrl): void => {
    const name = type === typeUrls.virtualHost ? 'virtual host' : shortNames[type];
    encoded.set(name, (encoded.get(name) ?? 0) + 1);
  };
  const bytes: Encoder['bytes'] = (type, json, { what, at }) => {
    count(type);
    try {
      const message = protos.parse(type, json);
      const [first] = validate(message);
      if (first === undefined) return { ok: true, value: protos.serialize(message) };
      return { ok: false, problem: createProblem('CH1402', at, `${what}: ${first.path} ${first.message}`) };
    } catch (error) {
      if (!(error instanceof ProtoJsonError)) throw error;
      return { ok: false, problem: createProblem('CH1401', at, `${what}: ${error.message}`) };
    }
  };
  const record: Encoder['record'] = (ref, content, { deps, provenance }) => ({
    ...ref,
    version: contentHash(content),
    bytes: content,
    deps,
    provenance,
  });
  return {
    count,
    bytes,
    record,
    resource(ref, json, origin) {
      const made = bytes(ref.type, json, {
        what: `${shortNames[ref.type]} "${ref.name}"`,
        at: origin.provenance[0] ?? noProvenance,
      });
      return made.ok ? { ok: true, value: record(ref, made.value, origin) } : made;
    },
  };
}
