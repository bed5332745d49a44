// `HOST:PORT` as people and registration libraries write it. Pure; nothing is resolved.

export interface HostPort {
  readonly address: string;
  readonly port: number;
}

const form = /^(?:(?:\[([0-9A-Fa-f:.]+(?:%\w+)?)\]|([A-Za-z0-9_][A-Za-z0-9_.-]*)):)?(\d{1,5})$/;

/** `HOST:PORT` or `[IPV6]:PORT`; `PORT` alone where there is a host to assume. Undefined for anything else. */
export function hostPort(text: string, host?: string): HostPort | undefined {
  const [, inBrackets, address = inBrackets ?? host, digits] = form.exec(text) ?? [];
  const port = Number(digits);
  return address === undefined || !(port >= 1 && port <= 65_535) ? undefined : { address, port };
}
