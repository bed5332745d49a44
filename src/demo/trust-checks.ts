// The checks of mutual TLS: who the callees see, and who gets nothing from a sidecar.
// Invariant: a sidecar that refuses is one that listens, and would answer one of the mesh.
import { join } from 'node:path';
import type { Clock } from '../util/clock.ts';
import type { Random } from '../util/random.ts';
import { type Check, expect } from './expectation.ts';
import { foreignCertificate } from './foreign.ts';
import { type Guise, knock } from './intruder.ts';
import { type Stage, stateFolder } from './stage.ts';

export interface TrustCheckDeps {
  readonly stage: Stage;
  readonly clock: Clock;
  readonly random: Random;
}

/** What `trust: {}` makes it. */
const trustDomain = 'service.local';
const web = `spiffe://${trustDomain}/svc/web`;
const edge = `spiffe://${trustDomain}/gateway/edge`;

export function trustChecks({ stage, clock, random }: TrustCheckDeps): readonly Check[] {
  const sidecars = stage.applications.map(({ instance }) => ({ instance, port: stage.inbound(instance) }));
  const all = `${sidecars.length} of ${sidecars.length} sidecars`;

  /** At every sidecar. */
  async function refused(guise: Guise): Promise<void> {
    for (const { instance, port } of sidecars) {
      const reception = await knock(clock, port, guise);
      expect(reception === 'refused', `at the sidecar of ${instance}: ${reception}`);
    }
  }
  async function answered(who: string, port: number, guise: Guise): Promise<void> {
    const reception = await knock(clock, port, guise);
    expect(reception === 'answered', `${who} is not answered either: ${reception}`);
  }

  return [
    [
      'mutual TLS: the callee sees spiffe://service.local/svc/web',
      async () => {
        const { json } = await stage.client.get(stage.ports.edge, '/');
        expect(json.api?.caller === web, `api sees ${json.api?.caller ?? 'nobody'}`);
        const hosts = { web: '127.0.0.1', 'user-service': 'user-service', 'order-service': 'order-service' };
        for (const [service, host] of Object.entries(hosts)) {
          const answer = await stage.client.get(stage.ports.edge, '/', { host });
          expect(answer.json.service === service, `${host} was answered by ${answer.body.trim()}`);
          expect(answer.json.caller === edge, `${service} sees ${answer.json.caller ?? 'nobody'}`);
        }
        return `at api; ${Object.keys(hosts).join(', ')} see ${edge}`;
      },
    ],
    [
      'plaintext to a sidecar is refused',
      async () => {
        const [application] = stage.applications;
        await answered('the application itself', application?.port ?? 0, 'plaintext');
        await refused('plaintext');
        return all;
      },
    ],
    [
      'a foreign certificate is refused',
      async () => {
        const folder = join(stage.directory, stateFolder, 'foreign');
        await refused(await foreignCertificate({ clock, random }, { trustDomain, spiffeId: web, folder }));
        await refused('nobody');
        const own = await stage.credentials.certificateOf('web');
        for (const { instance, port } of sidecars) await answered(`our own certificate at ${instance}`, port, own);
        return `the same name by another authority, and none: ${all}; one of the mesh is taken`;
      },
    ],
  ];
}
