// Which services an ACL token may be about, and what Consul answered to the question. Pure. It must not know requests.
// Invariant: names are only questions. Whether the token may write a service is answered by Consul itself, name by name.
import { type StoredRecord, textList } from './stored-json.ts';

/** Names asked about in one request: Consul refuses more. */
export const namesAtOnce = 64;

export interface TokenNames {
  /** Services that the token itself names. */
  readonly own: readonly string[];
  /** It has policies or roles, whose rules only a token with `acl:read` may see: it may be about any service. */
  readonly more: boolean;
}

/** `token` is the answer to `/v1/acl/token/self`. */
export function tokenNames(token: StoredRecord): TokenNames {
  const names = new Set<string>();
  for (const identity of objects(token['ServiceIdentities'])) add(names, identity['ServiceName']);
  for (const policy of objects(token['TemplatedPolicies'])) {
    const variables = policy['TemplateVariables'];
    if (policy['TemplateName'] === 'builtin/service' && isObject(variables)) add(names, variables['name']);
  }
  const more = objects(token['Policies']).length + objects(token['Roles']).length > 0;
  return { own: [...names].sort(), more };
}

/** What `/v1/internal/acl/authorize` is asked. */
export function mayWrite(names: readonly string[]): readonly StoredRecord[] {
  return names.map((name) => ({ Resource: 'service', Segment: name, Access: 'write' }));
}

/** The names it allows, and no others; undefined where the answer has another form. */
export function allowedNames(text: string, asked: readonly string[]): readonly string[] | undefined {
  let answers: unknown;
  try {
    answers = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(answers) || answers.length !== asked.length) return undefined;
  const allowed = new Set(
    objects(answers)
      .filter(({ Resource, Access, Allow }) => Resource === 'service' && Access === 'write' && Allow === true)
      .map(({ Segment }) => Segment),
  );
  return asked.filter((name) => allowed.has(name));
}

function add(names: Set<string>, name: unknown): void {
  const [text] = textList([name], 1) ?? [];
  if (text !== undefined && text !== '') names.add(text);
}

function isObject(value: unknown): value is StoredRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function objects(value: unknown): readonly StoredRecord[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}
