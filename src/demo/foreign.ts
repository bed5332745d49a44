// A certificate as ours are, with a name of the mesh in it, of an authority that the mesh does not know.
// Invariant: its root is made for it, in the folder that is named, and signs nothing else.
import { createAuthority } from '../ca/authority.ts';
import { createFileRoots } from '../ca/roots-files.ts';
import type { Clock } from '../util/clock.ts';
import { silentLogger } from '../util/log.ts';
import { pemText } from '../util/pem.ts';
import type { Random } from '../util/random.ts';
import type { Certificate } from './credentials.ts';

export interface ForeignRequest {
  readonly trustDomain: string;
  readonly spiffeId: string;
  readonly folder: string;
}

const lifeMs = 86_400_000;

export async function foreignCertificate(
  { clock, random }: { readonly clock: Clock; readonly random: Random },
  { trustDomain, spiffeId, folder }: ForeignRequest,
): Promise<Certificate> {
  const provider = createFileRoots({ clock, uid: process.geteuid?.() }, { folder, trustDomain, lifeMs });
  const authority = createAuthority({ clock, random, log: silentLogger, provider }, { trustDomain, threads: 1 });
  await authority.open();
  const stop = new AbortController();
  const running = authority.run(stop.signal);
  try {
    const { chain, key } = await authority.issue({ spiffeId, seed: spiffeId, urgency: 'none-yet' });
    return { chain: pemText('CERTIFICATE', chain), key: pemText('PRIVATE KEY', [key]) };
  } finally {
    stop.abort();
    await running;
  }
}
