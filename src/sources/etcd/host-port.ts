// `HOST:PORT` as registration libraries write it. Pure.

export interface HostPort {
  readonly address: string;
  readonly port: number;
}

/** Also `[IPV6]:PORT`, `scheme://HOST:PORT`, and a host alone when `port` is given beside it. Undefined when it is none. */
export function hostPort(text: unknown, port?: unknown): HostPort | undefined {
  if (typeof text !== 'string') return undefined;
  const bare = text.replace(/^[a-z][a-z0-9+.-]*:\/\//i, '').replace(/\/$/, '');
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_][A-Za-z0-9_.-]*)):(\d{1,5})$/.exec(bare);
  const number = match === null ? port : Number(match[3]);
  const address = match === null ? bare : (match[1] ?? match[2] ?? '');
  if (match === null && !/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(bare)) return undefined;
  if (typeof number !== 'number' || !Number.isInteger(number) || number < 1 || number > 65_535) return undefined;
  return { address, port: number };
}
