// What the listeners of gateways show to their clients, and whether it is there. Nothing is dropped here: a listener that
// cannot be served is left out where listeners are made. Pure. Invariant: one Problem a mistake, at its place.
import { errorCodes } from '../util/error-codes.ts';
import { didYouMean } from '../util/near-miss.ts';
import type { Certificate } from './certificate.ts';
import type { Gateway, GatewayListener } from './gateway.ts';
import type { Mesh } from './mesh.ts';
import { createProblem, type Problem } from './problem.ts';

export interface CertificateScene {
  readonly gateways: ReadonlyMap<string, Gateway>;
  /** As a World names them. */
  readonly certificates: ReadonlyMap<string, Certificate>;
  readonly mesh: Mesh;
}

/** What a listener needs a certificate for; without one it cannot be served. */
export function endsTls({ protocol, tls }: GatewayListener): boolean {
  return protocol === 'https' || (protocol === 'tls' && tls !== undefined);
}

export function checkCertificates({ gateways, certificates, mesh }: CertificateScene): readonly Problem[] {
  const problems: Problem[] = [];
  for (const { listeners, provenance: whole } of gateways.values()) {
    for (const [index, listener] of listeners.entries()) {
      const at = listener.provenance ?? whole;
      if (at === undefined || !endsTls(listener)) continue;
      const path = `spec.listeners[${index}]`;
      const { name, tls } = listener;
      if (tls === undefined) {
        const message = `listener "${name}" names no certificate and is not served: write tls.certificate`;
        problems.push(createProblem('CH1232', at, message, { severity: 'error', path }));
      } else if (!certificates.has(tls.certificate)) {
        const near = didYouMean(tls.certificate, certificates.keys());
        const message = `certificate "${tls.certificate}" is not known; listener "${name}" is not served`;
        const hint = `${errorCodes.CH1232.hint}${near}`;
        problems.push(
          createProblem('CH1232', at, message, { severity: 'error', path: `${path}.tls.certificate`, hint }),
        );
      } else if (mesh.certificates !== true) {
        const message = `listener "${name}" is not served: keys are sent to proxies that proved who they are, and none is asked to`;
        problems.push(createProblem('CH1233', at, message, { severity: 'warning', path }));
      }
    }
  }
  return problems;
}
