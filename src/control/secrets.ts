// The secrets of each proxy's view: its own certificate, issued for it and renewed in time, and the roots of the mesh.
// It must not know streams or views. Invariants: a secret is kept for one identity and seen by nobody else; the old
// certificate is served until the new one is there; with the last proxy of a view its key is gone.
import type { Authority, Leaf, Urgency } from '../ca/contract.ts';
import type { Resource } from '../resources/resource.ts';
import type { SecretEncoder } from '../translate/secrets.ts';
import { createBackoff } from '../util/backoff.ts';
import type { Clock, Timer } from '../util/clock.ts';
import type { Logger } from '../util/log.ts';
import type { Random } from '../util/random.ts';

export interface SecretsDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly authority: Pick<Authority, 'issue' | 'roots' | 'onRoots' | 'isTainted'>;
  readonly encode: SecretEncoder;
}

/** A certificate in use. Nothing of its key. */
export interface IssuedCertificate {
  readonly spiffeId: string;
  readonly serial: string;
  readonly notAfterMs: number;
  readonly renewAtMs: number;
  /** `keyId` of the root it chains to. */
  readonly root: string;
  /** Key identifier (hex) of the intermediate that signed it. */
  readonly issuer?: string;
}

export interface KeptSecrets {
  /** By name; empty until the first certificate is there, and another map after every change. */
  now(): ReadonlyMap<string, Resource>;
  issued(): IssuedCertificate | undefined;
  close(): void;
}

export interface Secrets {
  /** Keeps the secrets of one identity; `onChange` with the names that changed, never within this call. */
  keep(spiffeId: string, seed: string, onChange: (names: readonly string[]) => void): KeptSecrets;
}

const none: ReadonlyMap<string, Resource> = new Map();
/** Beyond this share of a certificate's life a failure to renew is urgent. */
const urgentShare = 0.75;
const retryMs = { first: 1_000, most: 60_000 };
/** When another root signs, certificates of the former one are replaced within so long, spread evenly. */
const rotationSpreadMs = 30_000;

export function createSecrets({ clock, random, log, authority, encode }: SecretsDeps): Secrets {
  const audit = log.child('audit');
  /** Encoded once for all, until the roots change. */
  let roots: Resource | undefined;
  const all = new Set<() => void>();
  authority.onRoots(() => {
    roots = undefined;
    for (const rootsChanged of all) rootsChanged();
  });

  function currentRoots(): Resource {
    roots ??= encode.roots(authority.roots().roots.map(({ certificate }) => certificate));
    return roots;
  }

  return {
    keep(spiffeId, seed, onChange) {
      const backoff = createBackoff(random, retryMs.first, retryMs.most);
      let own: Resource | undefined;
      let leaf: Leaf | undefined;
      let held = none;
      let timer: Timer | undefined;
      let closed = false;

      function publish(): void {
        if (own === undefined) return;
        const now = [own, currentRoots()];
        const changed = now.filter(({ name, version }) => held.get(name)?.version !== version);
        if (changed.length === 0) return;
        held = new Map(now.map((resource) => [resource.name, resource]));
        onChange(changed.map(({ name }) => name));
      }

      function urgency(): Urgency {
        if (leaf === undefined) return 'none-yet';
        if (isUrgent(leaf, clock.wall())) return 'expiring';
        return isFormer(leaf) ? 'rotation' : 'routine';
      }

      /** True if another root signs than the one it chains to, or what signed it is tainted. */
      function isFormer({ root, issuer }: Leaf): boolean {
        const tainted = issuer !== undefined && authority.isTainted?.(issuer) === true;
        return tainted || authority.roots().roots[0]?.keyId !== root;
      }

      /** Not later than it would have been replaced anyway. */
      function replace(former: Leaf): void {
        timer?.cancel();
        again(Math.min(random() * rotationSpreadMs, former.renewAtMs - clock.wall()));
      }

      function rootsChanged(): void {
        publish();
        if (leaf !== undefined && isFormer(leaf)) replace(leaf);
      }

      async function issue(): Promise<void> {
        try {
          const issued = await authority.issue({ spiffeId, seed, urgency: urgency() });
          if (closed) return;
          leaf = issued;
          const { serial, notAfterMs, root } = issued;
          audit.info('a certificate was issued', { spiffeId, serial, notAfterMs, root, view: seed });
          own = encode.identity(issued.chain, issued.key);
          backoff.reset();
          publish();
          // It was on its way when another began to sign.
          if (isFormer(issued)) replace(issued);
          else again(issued.renewAtMs - clock.wall());
        } catch (error) {
          if (closed) return;
          const wait = backoff.next();
          log.error('a certificate could not be issued; the old one is served', { identity: spiffeId, err: error });
          again(wait);
        }
      }

      function again(ms: number): void {
        timer = clock.after(Math.max(0, ms), () => void issue());
      }

      all.add(rootsChanged);
      void issue();
      return {
        now: () => held,
        issued: () => (leaf === undefined ? undefined : withoutKey(leaf)),
        close() {
          closed = true;
          timer?.cancel();
          all.delete(rootsChanged);
          held = none;
          own = undefined;
          leaf = undefined;
        },
      };
    },
  };
}

function isUrgent({ notBeforeMs, notAfterMs }: Leaf, nowMs: number): boolean {
  return nowMs > notBeforeMs + urgentShare * (notAfterMs - notBeforeMs);
}

function withoutKey({ spiffeId, serial, notAfterMs, renewAtMs, root, issuer }: Leaf): IssuedCertificate {
  return { spiffeId, serial, notAfterMs, renewAtMs, root, ...(issuer === undefined ? {} : { issuer }) };
}
