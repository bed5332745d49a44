// Envoy's RBAC engine as far as generated policies use it, from their JSON: which policy refuses a request.
// Source: envoy.config.rbac.v3. Headers as Envoy 1.36 or as 1.40 reads them. It must not know Authorizations.
import type { PrincipalJson, RBACJson } from '../../src/gen/envoy/config/rbac/v3/rbac_pb.js';
import type { StringMatcherJson } from '../../src/gen/envoy/type/matcher/v3/string_pb.js';

export interface RbacRequest {
  /** URI names of the client certificate; undefined: no TLS. */
  readonly names?: readonly string[];
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, readonly string[]>>;
}

function matches(
  { exact, prefix, suffix, contains, safeRegex, ignoreCase }: StringMatcherJson,
  given: string,
): boolean {
  const fold = (text: string): string => (ignoreCase === true ? text.toLowerCase() : text);
  const value = fold(given);
  if (exact !== undefined) return value === fold(exact);
  if (prefix !== undefined) return value.startsWith(fold(prefix));
  if (suffix !== undefined) return value.endsWith(fold(suffix));
  if (contains !== undefined) return value.includes(fold(contains));
  if (safeRegex?.regex === undefined) throw new Error('a matcher that is not used');
  const pattern = safeRegex.regex.replaceAll('\\C', '[^]').replaceAll(/\\x\{([0-9a-f]+)\}/g, '\\u{$1}');
  return new RegExp(`^(?:${pattern})$`, 'u').test(given);
}

function isMet(principal: PrincipalJson, request: RbacRequest, individually: boolean): boolean {
  const { any, andIds, orIds, notId, authenticated, header, urlPath } = principal;
  if (any !== undefined) return any;
  if (andIds?.ids !== undefined) return andIds.ids.every((id) => isMet(id, request, individually));
  if (orIds?.ids !== undefined) return orIds.ids.some((id) => isMet(id, request, individually));
  if (notId !== undefined) return !isMet(notId, request, individually);
  if (authenticated !== undefined) {
    const { principalName } = authenticated;
    return (
      request.names !== undefined &&
      (principalName === undefined || request.names.some((name) => matches(principalName, name)))
    );
  }
  if (urlPath?.path !== undefined) return matches(urlPath.path, request.path.replace(/[?#].*$/, ''));
  const { name, stringMatch } = header ?? {};
  if (name === undefined || stringMatch === undefined) throw new Error('a principal that is not used');
  const values = name === ':method' ? [request.method] : (request.headers[name] ?? []);
  if (values.length === 0) return false;
  return (individually ? values : [values.join(',')]).some((value) => matches(stringMatch, value));
}

/** The first policy that refuses it, in Envoy's order; `individually`: each value of a header by itself. */
export function refusedBy(rules: RBACJson | undefined, request: RbacRequest, individually = true): string | undefined {
  if (rules === undefined) return undefined;
  if (rules.action !== 'DENY') throw new Error('policies are reasons to refuse');
  return Object.entries(rules.policies ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .find(([, { principals = [] }]) => principals.some((principal) => isMet(principal, request, individually)))?.[0];
}
