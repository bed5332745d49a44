// Where in a JSON value the first name stands that its message does not declare. Runs only after decoding failed.
// It must not know any particular message. Invariant: what it does not understand it passes over.
import type { DescField, DescMessage, FileRegistry } from '@bufbuild/protobuf';

export interface UnknownName {
  /** Dotted path, e.g. `circuitBreakers.thresholds[0].maxConn`. */
  readonly path: string;
  /** Full name of the message that lacks it. */
  readonly message: string;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** Messages with a JSON form of their own; their members are no fields. */
const ownForm = new Set(['google.protobuf.Struct', 'google.protobuf.Value', 'google.protobuf.ListValue']);

export function unknownName(
  registry: FileRegistry,
  desc: DescMessage,
  json: unknown,
  path = '',
): UnknownName | undefined {
  if (!isObject(json) || ownForm.has(desc.typeName)) return undefined;
  let fields = desc;
  let members = Object.entries(json);
  if (desc.typeName === 'google.protobuf.Any') {
    const typeUrl = json['@type'];
    const inner =
      typeof typeUrl === 'string' ? registry.getMessage(typeUrl.slice(typeUrl.lastIndexOf('/') + 1)) : undefined;
    if (inner === undefined) return { path: path === '' ? '@type' : `${path}.@type`, message: desc.typeName };
    fields = inner;
    members = members.filter(([key]) => key !== '@type');
    if (ownForm.has(inner.typeName)) return undefined;
  }
  for (const [key, value] of members) {
    const here = path === '' ? key : `${path}.${key}`;
    const field = fields.fields.find((candidate) => candidate.jsonName === key || candidate.name === key);
    if (field === undefined) return { path: here, message: fields.typeName };
    const found = inField(registry, field, value, here);
    if (found !== undefined) return found;
  }
  return undefined;
}

function inField(registry: FileRegistry, field: DescField, value: unknown, path: string): UnknownName | undefined {
  const desc = field.message;
  if (desc === undefined) return undefined;
  if (field.fieldKind === 'message') return unknownName(registry, desc, value, path);
  const members =
    field.fieldKind === 'list' && Array.isArray(value)
      ? value.map((item, i) => [`[${i}]`, item] as const)
      : field.fieldKind === 'map' && isObject(value)
        ? Object.entries(value).map(([key, item]) => [`["${key}"]`, item] as const)
        : [];
  for (const [key, item] of members) {
    const found = unknownName(registry, desc, item, path + key);
    if (found !== undefined) return found;
  }
  return undefined;
}
