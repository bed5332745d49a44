// The text of a join token: `cj1.<id>.<secret>`, and after it `.<pin>` where the node is to know the authority by its key.
// Invariant: one text for one token; nothing is trimmed or repaired.

export interface JoinTokenParts {
  /** 128 bits, hex. No secret. */
  readonly id: string;
  /** 256 bits, base64url. */
  readonly secret: string;
  /** Hex SHA-256 of the public key of the authority. */
  readonly pin?: string;
}

const form = /^cj1\.(?<id>[0-9a-f]{32})\.(?<secret>[\w-]{43})(?:\.(?<pin>[0-9a-f]{64}))?$/;

export function joinTokenText({ id, secret, pin }: JoinTokenParts): string {
  return `cj1.${id}.${secret}${pin === undefined ? '' : `.${pin}`}`;
}

export function readJoinToken(text: string): JoinTokenParts | undefined {
  const { id, secret, pin } = form.exec(text)?.groups ?? {};
  if (id === undefined || secret === undefined) return undefined;
  return { id, secret, ...(pin === undefined ? {} : { pin }) };
}
