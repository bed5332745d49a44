// The field rules that Envoy's own protos declare (protoc-gen-validate), read from the descriptors and checked here, so
// that what Envoy would reject is found before it is sent. It must not know any particular message.
// Invariant: total; it returns violations, never throws, and goes into every Any whose type is known.
import {
  type DescField,
  type DescMessage,
  type DescOneof,
  fromBinary,
  getOption,
  hasOption,
  type Message,
  toJson,
} from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import type { Any } from '@bufbuild/protobuf/wkt';
import { type FieldRules, violation } from './field-rules.ts';
import type { Protos } from './protos.ts';

export interface Violation {
  /** Dotted, field names as in JSON. */
  readonly path: string;
  readonly message: string;
}

export type Validator = (message: Message) => readonly Violation[];

interface MessagePlan {
  readonly skip: boolean;
  readonly fields: readonly { readonly field: DescField; readonly rules: FieldRules | undefined }[];
  readonly required: readonly DescOneof[];
}

export function createValidator(protos: Protos): Validator {
  const extension = (name: string) => {
    const found = protos.registry.getExtension(`validate.${name}`);
    if (found === undefined) throw new RangeError(`no extension validate.${name} in the descriptor set`);
    return found;
  };
  const rulesOf = extension('rules');
  const disabled = extension('disabled');
  const required = extension('required');
  const rulesJson = (rules: Message) => toJson(protos.message(rules.$typeName), rules) as unknown as FieldRules;
  const plans = new Map<string, MessagePlan>();

  function plan(desc: DescMessage): MessagePlan {
    let found = plans.get(desc.typeName);
    if (found === undefined) {
      found = {
        skip: hasOption(desc, disabled) && getOption(desc, disabled) === true,
        fields: desc.fields.map((field) => ({
          field,
          rules: hasOption(field, rulesOf) ? rulesJson(getOption(field, rulesOf) as Message) : undefined,
        })),
        required: desc.oneofs.filter((oneof) => hasOption(oneof, required) && getOption(oneof, required) === true),
      };
      plans.set(desc.typeName, found);
    }
    return found;
  }

  function checkMessage(message: ReflectMessage, path: string, out: Violation[]): void {
    if (message.desc.typeName === 'google.protobuf.Any') {
      checkAny(message.message as Any, path, out);
      return;
    }
    const { skip, fields, required: oneofs } = plan(message.desc);
    if (skip) return;
    for (const oneof of oneofs)
      if (message.oneofCase(oneof) === undefined)
        out.push({ path, message: `one of ${oneof.fields.map((field) => field.jsonName).join(', ')} is required` });
    for (const { field, rules } of fields) {
      const here = path === '' ? field.jsonName : `${path}.${field.jsonName}`;
      const set = message.isSet(field);
      // The rules of a oneof's member hold only while that member is the chosen one.
      if (rules !== undefined && (set || field.oneof === undefined)) {
        const wrong = violation(rules, field, { set, value: message.get(field) });
        if (wrong !== undefined) out.push({ path: here, message: wrong });
      }
      if (set && field.message !== undefined && rules?.message?.skip !== true) descend(message, field, here, out);
    }
  }

  function descend(message: ReflectMessage, field: DescField, path: string, out: Violation[]): void {
    if (field.fieldKind === 'message') checkMessage(message.get(field), path, out);
    else if (field.fieldKind === 'list' && field.listKind === 'message') {
      let index = 0;
      for (const item of message.get(field)) checkMessage(item as ReflectMessage, `${path}[${index++}]`, out);
    } else if (field.fieldKind === 'map' && field.mapKind === 'message')
      for (const [key, item] of message.get(field))
        checkMessage(item as ReflectMessage, `${path}[${JSON.stringify(key)}]`, out);
  }

  function checkAny(any: Any, path: string, out: Violation[]): void {
    const desc = protos.registry.getMessage(any.typeUrl.slice(any.typeUrl.lastIndexOf('/') + 1));
    if (desc === undefined) return;
    try {
      checkMessage(reflect(desc, fromBinary(desc, any.value)), path, out);
    } catch {
      out.push({ path, message: `its bytes are no ${desc.typeName}` });
    }
  }

  return (message) => {
    const out: Violation[] = [];
    checkMessage(reflect(protos.message(message.$typeName), message), '', out);
    return out;
  };
}
