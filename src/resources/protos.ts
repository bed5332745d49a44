// Envoy's messages by name: strict proto3 JSON to bytes and back, nested Any included.
// It must not know what a service or a route is. Invariant: equal JSON gives equal bytes, whatever the order of its keys,
// and a name that no message declares is an error with its path, never dropped.
import {
  createFileRegistry,
  type DescMessage,
  type FileRegistry,
  fromBinary,
  fromJson,
  type JsonObject,
  type JsonValue,
  type Message,
  toBinary,
  toJson,
} from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { unknownName } from './unknown-name.ts';

/** JSON that does not fit its message: the mistake of whoever built it. */
export class ProtoJsonError extends Error {
  /** Dotted path of the offending name, empty where it is the message itself. */
  readonly path: string;
  constructor(message: string, path: string) {
    super(message);
    this.name = 'ProtoJsonError';
    this.path = path;
  }
}

export interface Protos {
  readonly registry: FileRegistry;
  /** Throws a RangeError for a name that is not in the set. `typeName` with or without `type.googleapis.com/`. */
  message(typeName: string): DescMessage;
  /** Throws ProtoJsonError on an unknown name or a value that does not fit. */
  parse(typeName: string, json: unknown): Message;
  /** `parse`, encoded. */
  encode(typeName: string, json: unknown): Uint8Array;
  serialize(message: Message): Uint8Array;
  /** Throws on bytes that are not that message. Names as in Envoy's own YAML (snake_case) with `protoNames`. */
  decode(typeName: string, bytes: Uint8Array, options?: { readonly protoNames?: boolean }): JsonValue;
}

/** Keys sorted at every level, so that the entries of map fields are written in one order. */
function sorted(value: unknown): JsonValue {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value as JsonValue;
  const result: JsonObject = {};
  for (const key of Object.keys(value).sort()) {
    const member = (value as Readonly<Record<string, unknown>>)[key];
    if (member !== undefined) result[key] = sorted(member);
  }
  return result;
}

/** `descriptorSet`: a google.protobuf.FileDescriptorSet with every import included. */
export function createProtos(descriptorSet: Uint8Array): Protos {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSet));
  const message = (typeName: string): DescMessage => {
    const name = typeName.slice(typeName.lastIndexOf('/') + 1);
    const desc = registry.getMessage(name);
    if (desc === undefined) throw new RangeError(`no message ${name} in the descriptor set`);
    return desc;
  };
  const serialize = (value: Message): Uint8Array => toBinary(message(value.$typeName), value);
  const parse = (typeName: string, json: unknown): Message => {
    const desc = message(typeName);
    const value = sorted(json);
    try {
      return fromJson(desc, value, { registry });
    } catch (error) {
      const found = unknownName(registry, desc, value);
      if (found !== undefined)
        throw new ProtoJsonError(`${found.path}: ${desc.name} has no such field (in ${found.message})`, found.path);
      throw new ProtoJsonError(error instanceof Error ? error.message : String(error), '');
    }
  };
  return {
    registry,
    message,
    parse,
    serialize,
    encode: (typeName, json) => serialize(parse(typeName, json)),
    decode: (typeName, bytes, options = {}) => {
      const desc = message(typeName);
      return toJson(desc, fromBinary(desc, bytes), { registry, useProtoFieldName: options.protoNames ?? false });
    },
  };
}
