// Which services an ACL token may be about: names found in what Consul says of the token. Pure. It must not know requests.
// Invariant: these are only questions. Whether the token may write a service is answered by Consul itself, name by name; a
// prefix names no service, so a token that has only a prefix, or all rights, is about none.
import { type StoredRecord, textList } from './stored-json.ts';

/** Names asked about at most: what Consul answers in one request. */
export const maxCandidates = 64;

const inRules = /(?<![\w-])service\s*"([^"\\]{1,256})"\s*\{/g;

/** Sorted. `token` is the answer to `/v1/acl/token/self?expanded=true`. */
export function candidateServices(token: StoredRecord): readonly string[] {
  const names = new Set<string>();
  for (const holder of [token, ...objects(token['ExpandedRoles'])]) {
    for (const identity of objects(holder['ServiceIdentities'])) add(names, identity['ServiceName']);
    for (const policy of objects(holder['TemplatedPolicies'])) {
      const variables = policy['TemplateVariables'];
      if (policy['TemplateName'] === 'builtin/service' && isObject(variables)) add(names, variables['Name']);
    }
  }
  for (const policy of objects(token['ExpandedPolicies'])) {
    const rules = policy['Rules'];
    if (typeof rules === 'string') for (const name of namesIn(rules)) names.add(name);
  }
  return [...names].sort().slice(0, maxCandidates);
}

/** The services of rules in HCL (`service "web" { ... }`) or JSON (`{"service": {"web": ...}}`). */
function namesIn(rules: string): readonly string[] {
  try {
    const parsed: unknown = JSON.parse(rules);
    const services = isObject(parsed) ? parsed['service'] : undefined;
    const blocks = Array.isArray(services) ? services.filter(isObject) : isObject(services) ? [services] : [];
    return blocks.flatMap((block) => Object.keys(block));
  } catch {
    return [...rules.matchAll(inRules)].map(([, name = '']) => name);
  }
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
