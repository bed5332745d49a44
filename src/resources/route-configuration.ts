// RouteConfiguration from virtual hosts that were encoded before: one changed route costs one virtual host and a copy.
// It must not know routes. Invariant: byte-equal to encoding the whole message; a test holds that.
// Field numbers: envoy/config/route/v3/route.proto.
import { concat, delimited } from './wire.ts';

const nameField = 1;
const virtualHostsField = 2;
const responseHeadersToRemoveField = 5;
/** ignore_port_in_host_matching = 14, true. */
const ignorePort = Uint8Array.of(14 << 3, 1);

/** An encoded VirtualHost as a field of its configuration, ready to be copied. */
export function virtualHostField(bytes: Uint8Array): Uint8Array {
  return delimited(virtualHostsField, bytes);
}

/** What a configuration is put together from. */
export interface RouteConfigurationParts {
  readonly name: string;
  /** As `virtualHostField` gives them. */
  readonly virtualHosts: readonly Uint8Array[];
  readonly responseHeadersToRemove: readonly string[];
}

/** Ports in Host headers are ignored when a virtual host is picked. */
export function encodeRouteConfiguration(parts: RouteConfigurationParts): Uint8Array {
  const utf8 = new TextEncoder();
  return concat([
    delimited(nameField, utf8.encode(parts.name)),
    ...parts.virtualHosts,
    ...parts.responseHeadersToRemove.map((name) => delimited(responseHeadersToRemoveField, utf8.encode(name))),
    ignorePort,
  ]);
}
