// What Consul's intentions mean, by its documentation and in its own words, to hold against what is made of them.
// Source: "Service intentions" (precedence: exact destination before `*`, then exact source before `*`; of permissions the
// first that fits; whatever nothing fits falls to the default). It must not know our rules.
export interface WrittenPermission {
  readonly Action: 'allow' | 'deny';
  readonly HTTP?: {
    readonly PathExact?: string;
    readonly PathPrefix?: string;
    readonly Methods?: readonly string[];
    readonly Header?: readonly { readonly Name: string; readonly Exact: string }[];
  };
}

export interface WrittenSource {
  readonly Name: string;
  readonly Action?: 'allow' | 'deny';
  readonly Permissions?: readonly WrittenPermission[];
}

export interface WrittenEntry {
  readonly Kind: 'service-intentions';
  readonly Name: string;
  readonly Sources: readonly WrittenSource[];
}

export interface IntendedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Call {
  readonly from: string;
  readonly to: string;
  readonly request: IntendedRequest;
}

const precedence = [
  ['exact', 'exact'],
  ['*', 'exact'],
  ['exact', '*'],
  ['*', '*'],
] as const;

export function intends(entries: readonly WrittenEntry[], fallback: 'allow' | 'deny', call: Call): boolean {
  const pick = (kind: 'exact' | '*', name: string): string => (kind === '*' ? '*' : name);
  for (const [source, destination] of precedence) {
    const found = entries
      .find(({ Name }) => Name === pick(destination, call.to))
      ?.Sources.find(({ Name }) => Name === pick(source, call.from));
    if (found === undefined) continue;
    if (found.Permissions === undefined) return found.Action === 'allow';
    const first = found.Permissions.find((permission) => fits(permission, call.request));
    return (first?.Action ?? fallback) === 'allow';
  }
  return fallback === 'allow';
}

function fits({ HTTP = {} }: WrittenPermission, { method, path, headers }: IntendedRequest): boolean {
  const { PathExact, PathPrefix, Methods = [], Header = [] } = HTTP;
  return (
    (PathExact === undefined || path === PathExact) &&
    (PathPrefix === undefined || path.startsWith(PathPrefix)) &&
    (Methods.length === 0 || Methods.includes(method)) &&
    Header.every(({ Name, Exact }) => headers[Name] === Exact)
  );
}
