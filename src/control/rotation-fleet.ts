// The replicas that share a root, as a rotation asks about them: how far each is, and how many of its proxies do not trust the
// next root yet. Each says so in the store, again and again; one that is silent for long has ended.
// It must not know what a phase obliges to. Invariants: silence is measured by our own clock, never by what another one wrote;
// a replica that ended counts as a proxy that has not confirmed, until its proxies had time to connect elsewhere.
import { randomBytes } from 'node:crypto';
import type { RotationFleet } from '../ca/rotation-driver.ts';
import type { Store, StoreEntry } from '../model/store.ts';
import { identitySecret, rootsSecret } from '../resources/secret-names.ts';
import { typeUrls } from '../resources/type-urls.ts';
import type { Clock } from '../util/clock.ts';
import type { ClientConfig } from '../xds/contract.ts';

export interface RotationFleetDeps {
  readonly clock: Clock;
  readonly store: Store;
  /** Proxies of this replica that have a certificate of the mesh. */
  readonly nodes: () => Iterable<string>;
  readonly streamsOf: (node: string) => Promise<readonly ClientConfig[]>;
  /** Version of the secret with the roots that this replica tells now. */
  readonly rootsVersion: () => string;
  /** Proxies whose certificate chains to another root than the first. */
  readonly former?: () => ReadonlySet<string>;
}

export interface RotationFleetOptions {
  /** A replica that has said nothing for so long has ended. */
  readonly silentMs: number;
}

interface Said {
  readonly epoch: number;
  readonly unconfirmed: number;
}

const prefix = 'ca/replicas/';
/** After its end, in multiples of `silentMs`: so long its proxies may take to connect elsewhere. */
const graceTurns = 3;
const unknown: Said = { epoch: 0, unconfirmed: 1 };

export function createRotationFleet(deps: RotationFleetDeps, { silentMs }: RotationFleetOptions): RotationFleet {
  const { clock, store } = deps;
  const id = randomBytes(8).toString('hex');
  /** When another one said something else than before, monotonic. */
  const heard = new Map<string, { readonly revision: string; readonly atMs: number }>();
  let confirmed: { readonly version: string; readonly nodes: Set<string> } = { version: '', nodes: new Set() };
  let beat = 0;
  let epochNow = 0;

  async function say(said: Said): Promise<void> {
    const key = `${prefix}${id}`;
    // Never the same text twice: that would be silence.
    const value = new TextEncoder().encode(JSON.stringify({ ...said, beat: ++beat }));
    const there = await store.get(key);
    if ((await store.put(key, value, there ?? 'absent')) === undefined)
      throw new Error('somebody else wrote what this replica says of itself');
  }

  async function others(): Promise<{ readonly there: readonly Said[]; readonly ended: number }> {
    const there: Said[] = [];
    let ended = 0;
    const entries = await store.list(prefix);
    for (const name of heard.keys()) if (!entries.has(name)) heard.delete(name);
    for (const [name, entry] of entries) {
      if (name === `${prefix}${id}`) continue;
      const silent = silence(name, entry);
      if (silent < silentMs) there.push(readSaid(entry.value) ?? unknown);
      else if (silent < silentMs * (1 + graceTurns)) ended++;
      else await store.delete(name, entry);
    }
    return { there, ended };
  }

  function silence(name: string, { revision }: StoreEntry): number {
    const before = heard.get(name);
    if (before?.revision === revision) return clock.now() - before.atMs;
    heard.set(name, { revision, atMs: clock.now() });
    return 0;
  }

  /** Own proxies that have not acknowledged the roots as they are told now. One that once did is not asked again. */
  async function ownUnconfirmed(): Promise<number> {
    const version = deps.rootsVersion();
    if (confirmed.version !== version) confirmed = { version, nodes: new Set() };
    // Before streams are asked: a certificate that comes meanwhile is asked about the next time.
    const former = deps.former?.();
    let count = 0;
    for (const node of new Set(deps.nodes())) {
      if (confirmed.nodes.has(node)) continue;
      const streams = await deps.streamsOf(node);
      if (!former?.has(node) && streams.every((stream) => trusts(stream, version))) confirmed.nodes.add(node);
      else count++;
    }
    return count;
  }

  return {
    join: () => say(unknown),
    async report(epoch) {
      epochNow = epoch;
      await say({ epoch, unconfirmed: await ownUnconfirmed() });
    },
    behind: async (epoch) => (await others()).there.filter((said) => said.epoch !== epoch).length,
    async unconfirmed() {
      const [own, { there, ended }] = [await ownUnconfirmed(), await others()];
      const theirs = there.map((said) => (said.epoch === epochNow ? said.unconfirmed : 1));
      return theirs.reduce((sum, count) => sum + count, own + ended);
    },
  };
}

/** A stream that does not ask for the roots relies on none. It has what it was last given as its own certificate. */
function trusts({ resources }: ClientConfig, version: string): boolean {
  const told = resources.find(({ type, name }) => type === typeUrls.secret && name === rootsSecret);
  const own = resources.find(({ type, name }) => type === typeUrls.secret && name === identitySecret);
  if (own !== undefined && own.status !== 'synced') return false;
  return told === undefined || (told.status === 'synced' && told.held === version);
}

function readSaid(bytes: Uint8Array): Said | undefined {
  try {
    const { epoch, unconfirmed } = JSON.parse(new TextDecoder().decode(bytes)) as Partial<Said>;
    const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
    return isCount(epoch) && isCount(unconfirmed) ? { epoch, unconfirmed } : undefined;
  } catch {
    return undefined;
  }
}
