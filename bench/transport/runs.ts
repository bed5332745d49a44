// Runs laps, ours and the peer's in turn, each with fresh processes.
import { startClient } from './client-process.ts';
import { type Case, type Lap, type LapParts, runLap } from './lap.ts';
import type { Peer } from './peer-build.ts';
import type { CaseLaps } from './results.ts';
import { startOurs, startPeer } from './server-process.ts';
import type { makeCertificate } from './tls-files.ts';

export interface RunKit {
  readonly peer: Peer;
  /** For temporary files. */
  readonly folder: string;
  readonly certificate: ReturnType<typeof makeCertificate>;
  readonly say: (line: string) => void;
  readonly onProfile?: LapParts['onProfile'];
}

async function ourLap(of: Case, kit: RunKit): Promise<{ lap: Lap; resources: Uint8Array }> {
  const { cert, key } = kit.certificate;
  const xds = {
    ...(of.tls ? { tls: { cert, key } } : {}),
    ...(of.workers > 0 ? { workers: of.workers } : {}),
  };
  const objects = of.type === 'cluster';
  await using server = await startOurs({ services: of.services, instances: 10, objects, port: 0, xds });
  using client = startClient();
  const resources = await server.resources();
  const lap = await runLap(of, { ...parts(of, kit), server, client });
  return { lap, resources };
}

async function peerLap(of: Case, kit: RunKit, resources: Uint8Array): Promise<Lap> {
  if ('missing' in kit.peer) throw new Error(kit.peer.missing);
  const { path } = kit.peer;
  await using server = await startPeer({
    ...{ path, resources, folder: kit.folder },
    ...(of.ownViews ? { nodes: of.proxies } : {}),
    ...(of.tls ? { tls: kit.certificate } : {}),
  });
  using client = startClient();
  const { onProfile: _none, ...rest } = parts(of, kit);
  return await runLap(of, { ...rest, server, client });
}

function parts(of: Case, kit: RunKit): Pick<LapParts, 'ca' | 'onProfile'> {
  return {
    ...(of.tls ? { ca: kit.certificate.ca } : {}),
    ...(kit.onProfile === undefined ? {} : { onProfile: kit.onProfile }),
  };
}

/** One more lap of a case, the peer's after ours; a case that failed is not tried again. */
export async function addLaps(
  name: string,
  of: Case,
  options: { readonly kit: RunKit; readonly withPeer: boolean; readonly into: CaseLaps },
): Promise<void> {
  const { kit, into } = options;
  if (into.failed !== undefined) return;
  const start = performance.now();
  try {
    const { lap, resources } = await ourLap(of, kit);
    into.ours.push(lap);
    if (options.withPeer && 'path' in kit.peer) into.peer.push(await peerLap(of, kit, resources));
    kit.say(`${name}: done in ${Math.round((performance.now() - start) / 1000)} s`);
  } catch (error) {
    into.failed = error instanceof Error ? error.message : String(error);
    kit.say(`${name}: ${into.failed}`);
  }
}
