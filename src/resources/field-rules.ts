// One field's declared rules against its value. The rules come as the JSON form of validate.FieldRules, so that a rule
// that was not written is simply absent. It must not know any particular message.
// Source: the comments of protoc-gen-validate's validate.proto; rules that no proto of ours uses are left out.
// Invariant: pure and total; a rule it does not know counts as kept.
import type { DescField } from '@bufbuild/protobuf';
import { isReflectList, isReflectMap, isReflectMessage } from '@bufbuild/protobuf/reflect';
import { RE2JS } from 're2js';

/** Numbers of 64 bits and durations are text, as in proto3 JSON. */
type Rule = Readonly<Record<string, unknown>>;
export interface FieldRules {
  readonly message?: { readonly skip?: boolean; readonly required?: boolean };
  readonly [kind: string]: Rule | undefined;
}

export interface FieldValue {
  readonly set: boolean;
  readonly value: unknown;
}

const headerName = { strict: /^:?[0-9a-zA-Z!#$%&'*+\-.^_|~`]+$/, loose: /^[^\0\n\r]*$/ };
// biome-ignore lint/suspicious/noControlCharactersInRegex: the rule is about control characters
const headerValue = { strict: /^[^\x00-\x08\x0a-\x1f\x7f]*$/, loose: /^[^\0\n\r]*$/ };

const patterns = new Map<string, RE2JS>();
function matches(pattern: string, text: string): boolean {
  let compiled = patterns.get(pattern);
  if (compiled === undefined) {
    compiled = RE2JS.compile(pattern);
    patterns.set(pattern, compiled);
  }
  return compiled.matcher(text).find();
}

/** What is wrong with the field, or undefined. */
export function violation(rules: FieldRules, field: DescField, { set, value }: FieldValue): string | undefined {
  if (rules.message?.required === true && !set) return 'is required';
  for (const [kind, rule] of Object.entries(rules)) {
    if (rule === undefined || kind === 'message') continue;
    if (kind === 'repeated') {
      const wrong = repeated(rule, value);
      if (wrong !== undefined) return wrong;
    } else if (kind === 'map') {
      const size = isReflectMap(value) ? value.size : 0;
      if (size < Number(rule['minPairs'] ?? 0)) return `needs at least ${String(rule['minPairs'])} entries`;
    } else {
      if (!set && rule['required'] === true) return 'is required';
      // Messages (wrappers, durations) have rules for their value only where there is one.
      if (!set && field.message !== undefined) continue;
      if (kind === 'enum' && rule['definedOnly'] === true && field.enum?.value[Number(value)] === undefined)
        return `has no value ${String(value)}`;
      const wrong = scalar(kind, rule, value);
      if (wrong !== undefined) return wrong;
    }
  }
  return undefined;
}

function repeated(rule: Rule, value: unknown): string | undefined {
  const items = isReflectList(value) ? [...value] : [];
  if (items.length === 0 && rule['ignoreEmpty'] === true) return undefined;
  if (items.length < Number(rule['minItems'] ?? 0)) return `needs at least ${String(rule['minItems'])} entries`;
  if (items.length > Number(rule['maxItems'] ?? Number.POSITIVE_INFINITY))
    return `has more than ${String(rule['maxItems'])} entries`;
  if (rule['unique'] === true && new Set(items).size < items.length) return 'has an entry twice';
  for (const [kind, itemRule] of Object.entries((rule['items'] ?? {}) as Readonly<Record<string, Rule>>)) {
    for (const [index, item] of items.entries()) {
      const wrong = kind === 'message' ? undefined : scalar(kind, itemRule, item);
      if (wrong !== undefined) return `entry ${index} ${wrong}`;
    }
  }
  return undefined;
}

function scalar(kind: string, rule: Rule, raw: unknown): string | undefined {
  if (kind === 'any' || kind === 'timestamp') return undefined;
  if (kind === 'duration') return range(rule, seconds(raw), (bound) => Number.parseFloat(String(bound)));
  const value = isReflectMessage(raw) ? unwrapped(raw.message) : raw;
  if (kind === 'string') return text(rule, String(value));
  if (kind === 'bytes') {
    const length = value instanceof Uint8Array ? value.length : 0;
    if (length === 0 && rule['ignoreEmpty'] === true) return undefined;
    return length < Number(rule['minLen'] ?? 0) ? `needs at least ${String(rule['minLen'])} bytes` : undefined;
  }
  if (kind === 'bool')
    return 'const' in rule && rule['const'] !== value ? `must be ${String(rule['const'])}` : undefined;
  return range(rule, Number(value), Number);
}

function unwrapped(message: unknown): unknown {
  return (message as { readonly value?: unknown }).value;
}

function seconds(raw: unknown): number {
  const duration = (isReflectMessage(raw) ? raw.message : raw) as { seconds?: bigint; nanos?: number } | undefined;
  return Number(duration?.seconds ?? 0n) + (duration?.nanos ?? 0) / 1e9;
}

/** `gt` above `lt` means outside of both, as declared there; no proto of ours does that. */
function range(rule: Rule, value: number, bound: (raw: unknown) => number): string | undefined {
  if (value === 0 && rule['ignoreEmpty'] === true) return undefined;
  if ('const' in rule && value !== bound(rule['const'])) return `must be ${String(rule['const'])}`;
  if ('lt' in rule && !(value < bound(rule['lt']))) return `must be below ${String(rule['lt'])}`;
  if ('lte' in rule && !(value <= bound(rule['lte']))) return `must be at most ${String(rule['lte'])}`;
  if ('gt' in rule && !(value > bound(rule['gt']))) return `must be above ${String(rule['gt'])}`;
  if ('gte' in rule && !(value >= bound(rule['gte']))) return `must be at least ${String(rule['gte'])}`;
  const list = (name: string): number[] => ((rule[name] ?? []) as unknown[]).map(bound);
  if ('in' in rule && !list('in').includes(value)) return `must be one of ${list('in').join(', ')}`;
  if ('notIn' in rule && list('notIn').includes(value)) return `must not be ${value}`;
  return undefined;
}

function text(rule: Rule, value: string): string | undefined {
  if (value === '' && rule['ignoreEmpty'] === true) return undefined;
  const length = Array.from(value).length;
  const bytes = Buffer.byteLength(value);
  if (length < Number(rule['minLen'] ?? 0) || bytes < Number(rule['minBytes'] ?? 0))
    return 'must not be empty or shorter than allowed';
  if (length > Number(rule['maxLen'] ?? length) || bytes > Number(rule['maxBytes'] ?? bytes)) return 'is too long';
  if (typeof rule['prefix'] === 'string' && !value.startsWith(rule['prefix']))
    return `must start with "${rule['prefix']}"`;
  if (typeof rule['suffix'] === 'string' && !value.endsWith(rule['suffix'])) return `must end with "${rule['suffix']}"`;
  if (typeof rule['pattern'] === 'string' && !matches(rule['pattern'], value)) return `must match ${rule['pattern']}`;
  if (Array.isArray(rule['in']) && !rule['in'].includes(value)) return `must be one of ${rule['in'].join(', ')}`;
  if (Array.isArray(rule['notIn']) && rule['notIn'].includes(value)) return `must not be "${value}"`;
  const known = rule['wellKnownRegex'];
  const form = known === 'HTTP_HEADER_NAME' ? headerName : known === 'HTTP_HEADER_VALUE' ? headerValue : undefined;
  if (form !== undefined && !form[rule['strict'] === false ? 'loose' : 'strict'].test(value))
    return 'holds a character that is not allowed in headers';
  return undefined;
}
