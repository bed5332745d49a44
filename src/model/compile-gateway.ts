// Gateway and Mesh objects as the model's. Pure; what this version does not act on is said in a warning.

import { compileRetry } from './compile-route.ts';
import { defaultDomain } from './defaults.ts';
import { defined } from './defined.ts';
import { defaultGatewayListener, type Gateway } from './gateway.ts';
import type { Mesh } from './mesh.ts';
import { defaultNamespace } from './names.ts';
import type { MeshObject } from './parse.ts';
import { createProblem, type Problem } from './problem.ts';
import { dotted } from './schema-problems.ts';

export type GatewayObject = Extract<MeshObject, { kind: 'Gateway' }>;
export type MeshSettings = Extract<MeshObject, { kind: 'Mesh' }>;

/** What a World's `gateways` and a Route's `gateways` call it. */
export function gatewayName(namespace: string, name: string): string {
  return namespace === defaultNamespace ? name : `${namespace}/${name}`;
}

export function compileGateway(object: GatewayObject): {
  readonly gateway: Gateway;
  readonly problems: readonly Problem[];
} {
  const problems: Problem[] = [];
  const listeners = object.spec.listeners.map((listener, index) => {
    const protocol = listener.protocol ?? 'http';
    if (protocol === 'https' || protocol === 'tls') {
      const path = ['spec', 'listeners', index, 'protocol'];
      const message = `listener protocol "${protocol}" is accepted but not served yet`;
      problems.push(createProblem('CH1108', object.at(path), message, { severity: 'warning', path: dotted(path) }));
    }
    return {
      name: listener.name ?? `${protocol}-${listener.port}`,
      address: listener.address ?? defaultGatewayListener.address,
      port: listener.port,
      protocol,
      hosts: [...new Set(listener.hosts ?? [])],
      provenance: object.at(['spec', 'listeners', index]),
    };
  });
  const { namespace, name, provenance } = object;
  return { gateway: { namespace, name, listeners, provenance }, problems };
}

/** Undefined: no Mesh object, all defaults. */
export function compileMesh(object: MeshSettings | undefined): {
  readonly mesh: Mesh;
  readonly problems: readonly Problem[];
} {
  const spec = object?.spec;
  const domain = spec?.domain ?? defaultDomain;
  const retry = spec?.defaults?.retry;
  const mesh: Mesh = {
    domain,
    trustDomain: spec?.trustDomain ?? domain,
    mtls: spec?.mtls ?? 'off',
    accessLog: spec?.telemetry?.accessLog ?? true,
    ...defined({ retry: retry === undefined ? undefined : compileRetry(retry), provenance: object?.provenance }),
  };
  if (object === undefined || mesh.mtls === 'off') return { mesh, problems: [] };
  const path = ['spec', 'mtls'];
  const message = `mtls "${mesh.mtls}" is not acted on yet: traffic is in plaintext`;
  return {
    mesh,
    problems: [createProblem('CH1108', object.at(path), message, { severity: 'warning', path: dotted(path) })],
  };
}
