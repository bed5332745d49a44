// RouteConfiguration from virtual hosts that were encoded before: one changed route costs one virtual host and a copy.
// It must not know routes. Invariant: byte-equal to encoding the whole message; a test holds that.
// Field numbers: envoy/config/route/v3/route.proto.
import { concat, delimited } from './wire.ts';

const nameField = 1;
const virtualHostsField = 2;
/** ignore_port_in_host_matching = 14, true. */
const ignorePort = Uint8Array.of(14 << 3, 1);

/** An encoded VirtualHost as a field of its configuration, ready to be copied. */
export function virtualHostField(bytes: Uint8Array): Uint8Array {
  return delimited(virtualHostsField, bytes);
}

/** `virtualHosts`: as `virtualHostField` gives them. */
export function encodeRouteConfiguration(name: string, virtualHosts: readonly Uint8Array[]): Uint8Array {
  return concat([delimited(nameField, new TextEncoder().encode(name)), ...virtualHosts, ignorePort]);
}
