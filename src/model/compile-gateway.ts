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

/** What a World's `gateways` and `certificates`, and a Route's `gateways`, call it. */
export function gatewayName(namespace: string, name: string): string {
  return namespace === defaultNamespace ? name : `${namespace}/${name}`;
}

export function compileGateway(object: GatewayObject): {
  readonly gateway: Gateway;
  readonly problems: readonly Problem[];
} {
  const listeners = object.spec.listeners.map((listener, index) => {
    const protocol = listener.protocol ?? 'http';
    return {
      name: listener.name ?? `${protocol}-${listener.port}`,
      address: listener.address ?? defaultGatewayListener.address,
      port: listener.port,
      protocol,
      hosts: [...new Set(listener.hosts ?? [])],
      ...(listener.tls === undefined
        ? {}
        : {
            tls: {
              certificate: gatewayName(object.namespace, listener.tls.certificate),
              client: listener.tls.client ?? 'none',
            },
          }),
      ...(listener.httpsRedirect === true ? { httpsRedirect: true } : {}),
      provenance: object.at(['spec', 'listeners', index]),
    };
  });
  const { namespace, name, provenance } = object;
  return { gateway: { namespace, name, listeners, provenance }, problems: [] };
}

/** Whether proxies are issued certificates; a text: in this trust domain, which nothing that users write can change. */
export type Issued = boolean | string;

/** `object` undefined: no Mesh object, all defaults. */
export function compileMesh(
  object: MeshSettings | undefined,
  certificates: Issued,
): {
  readonly mesh: Mesh;
  readonly problems: readonly Problem[];
} {
  const spec = object?.spec;
  const domain = spec?.domain ?? defaultDomain;
  const retry = spec?.defaults?.retry;
  const mesh: Mesh = {
    domain,
    trustDomain: typeof certificates === 'string' ? certificates : (spec?.trustDomain ?? domain),
    mtls: certificates === false ? 'off' : (spec?.mtls ?? 'strict'),
    accessLog: spec?.telemetry?.accessLog ?? true,
    ...defined({
      certificates: certificates === false ? undefined : true,
      retry: retry === undefined ? undefined : compileRetry(retry),
      provenance: object?.provenance,
    }),
  };
  const problems: Problem[] = [];
  const { mtls: asked = 'off', trustDomain } = spec ?? {};
  if (object !== undefined && certificates === false && asked !== 'off')
    problems.push(withoutCertificates(object, 'mtls', asked));
  if (object !== undefined && trustDomain !== undefined && trustDomain !== mesh.trustDomain) {
    const path = ['spec', 'trustDomain'];
    const message = `trustDomain "${trustDomain}" is not that of the authority, "${mesh.trustDomain}", which holds`;
    problems.push(createProblem('CH1239', object.at(path), message, { path: dotted(path) }));
  }
  return { mesh, problems };
}

/** `strict` promised that nothing is in plaintext, and everything is: an error. `permissive` allowed for it. */
export function withoutCertificates(
  object: Pick<MeshObject, 'at'>,
  field: 'mtls' | 'tls',
  asked: 'strict' | 'permissive',
): Problem {
  const path = ['spec', field];
  const message = `${field} "${asked}" needs certificates, and none are issued: traffic is in plaintext`;
  const severity = asked === 'strict' ? 'error' : 'warning';
  return createProblem('CH1235', object.at(path), message, { severity, path: dotted(path) });
}
