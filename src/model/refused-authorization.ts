// An Authorization whose text is refused, as far as it can be read: which service it was to protect. Pure.
// Invariant: a doubt closes. What may be an Authorization counts as one, and what may be its service is closed; nothing is
// derived from it but that nobody is let in.
import type { Authorization } from './authorization.ts';
import { referredService } from './compile-route.ts';
import { namePattern } from './kinds/fields.ts';
import { defaultNamespace, type ServiceId } from './names.ts';
import type { Provenance } from './provenance.ts';

export interface RefusedAuthorization {
  /** As of a MeshObject; undefined: its name cannot be read. */
  readonly key?: string;
  readonly namespace: string;
  readonly name: string;
  /** Empty: which ones it protects cannot be read. More than one where the text names more than one. */
  readonly services: readonly ServiceId[];
}

/** Also misspelt: `Authorisation`, `AuthorizationPolicy`. */
const kindPattern = /^auth/i;
const kindText = /(?:^|[\s{,])["']?kind["']?\s*:\s*["']?auth/i;
const serviceText = /(?:^|[\s{,])["']?service["']?\s*:\s*["']?([A-Za-z0-9][A-Za-z0-9._/-]*)/g;
const namespaceText = /(?:^|[\s{,])["']?namespace["']?\s*:\s*["']?([A-Za-z0-9][A-Za-z0-9_-]*)/;
const referencePattern = /^(?:[A-Za-z0-9][A-Za-z0-9_-]*\/)?[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** Most services that one text closes. */
const maxServices = 16;

/**
 * `value`: the text as data; undefined where it is no YAML. Undefined: it is no Authorization, or one that says of itself
 * that it only counts.
 */
export function refusedAuthorization(value: unknown, text: string): RefusedAuthorization | undefined {
  return isRecord(value) ? ofData(value) : value === undefined ? ofText(text) : undefined;
}

function ofData(raw: Readonly<Record<string, unknown>>): RefusedAuthorization | undefined {
  const { kind, metadata, spec } = raw;
  if (typeof kind !== 'string' || !kindPattern.test(kind)) return undefined;
  const own = isRecord(spec) ? spec : {};
  if (own['mode'] === 'shadow') return undefined;
  const { name, namespace } = isRecord(metadata) ? metadata : {};
  const place = typeof namespace === 'string' && namespace !== '' ? namespace : defaultNamespace;
  const service = own['service'];
  return {
    namespace: place,
    ...named(name, place),
    services: typeof service === 'string' && referencePattern.test(service) ? [referredService(service, place)] : [],
  };
}

function ofText(text: string): RefusedAuthorization | undefined {
  if (!kindText.test(text)) return undefined;
  const namespace = namespaceText.exec(text)?.[1] ?? defaultNamespace;
  const found = [...text.matchAll(serviceText)].map(([, reference = '']) => reference);
  const services = [...new Set(found)]
    .filter((reference) => referencePattern.test(reference))
    .slice(0, maxServices)
    .map((reference) => referredService(reference, namespace));
  return { namespace, ...named(undefined, namespace), services };
}

function named(name: unknown, namespace: string): Pick<RefusedAuthorization, 'key' | 'name'> {
  if (typeof name !== 'string' || !namePattern.test(name)) return { name: 'refused' };
  return { name, key: `chancery/Authorization/${namespace}/${name}` };
}

/** In place of what cannot be read: nobody is let in. */
export function closed(
  { namespace, name }: Pick<RefusedAuthorization, 'namespace' | 'name'>,
  service: ServiceId,
  provenance: Provenance,
): Authorization {
  return {
    ...{ namespace, name, service, mode: 'enforce', allow: [], provenance },
    deny: [{ index: 0, to: [], provenance }],
  };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
