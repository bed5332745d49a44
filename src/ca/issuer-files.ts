// The root of somebody else: an authority with its key and the roots beside it in files, as cert-manager, SPIRE or a person puts
// them there and replaces them. Our intermediates are signed with it.
// It must not know who writes them, nor which root may sign: that is `foreign-roots.ts`. Invariants: it never writes; what
// cannot be used whole is not used at all, and what was read before signs on.
import type { Clock } from '../util/clock.ts';
import { AppError } from '../util/errors.ts';
import { fingerprint } from '../util/file-changes.ts';
import { guardedRead } from '../util/guarded-read.ts';
import type { ForeignAuthority } from './foreign-roots.ts';
import { type Given, type GivenAuthority, type GivenTexts, readGiven } from './issuer-authority.ts';
import { randomSerial, signIntermediate } from './x509.ts';

export interface IssuerFilesDeps {
  readonly clock: Clock;
  /** Of the running process; undefined where files have no owner or mode (Windows): neither is checked then. */
  readonly uid: number | undefined;
}

export interface IssuerFilesOptions {
  readonly trustDomain: string;
  /** PEM: the authority, then what stands between it and its root. */
  readonly certificate: string;
  readonly key: string;
  readonly roots: string;
}

const bounds = { code: 'CH1881', maxBytes: 1_048_576 } as const;
const backdateMs = 3_600_000;

export function createIssuerFiles({ clock, uid }: IssuerFilesDeps, options: IssuerFilesOptions): ForeignAuthority {
  const { trustDomain, certificate, key, roots } = options;
  const paths = { certificate, key, roots };
  /** As read last. */
  let given: GivenAuthority | undefined;
  /** That signed last: while proxies are told of the root of `given` it goes on. */
  let signing: GivenAuthority | undefined;

  async function readNow(): Promise<Given> {
    const all = [certificate, key, roots];
    const before = await fingerprint(all);
    const texts: GivenTexts = {
      certificate: await guardedRead(certificate, bounds),
      key: await guardedRead(key, { ...bounds, owner: uid }),
      roots: await guardedRead(roots, bounds),
    };
    try {
      if ((await fingerprint(all)) !== before)
        throw new AppError('CH1881', `${certificate} or a file beside it changes right now`, { retryable: true });
      return readGiven(texts, { trustDomain, paths, nowMs: clock.wall() });
    } finally {
      texts.key.fill(0);
    }
  }

  return {
    name: `the authority in ${certificate}`,
    keepsFormer: true,
    async read() {
      const now = await readNow();
      given = now.authority;
      const { root } = given;
      const ders = now.roots.map((one) => one.certificate);
      return { roots: ders, signs: now.roots.find(({ keyId }) => keyId === root)?.certificate };
    },
    async sign({ publicKey, lifeMs, under }) {
      if (given === undefined) throw new Error('read() has not resolved');
      if (signing === undefined || given.root === signing.root || under !== signing.root) signing = given;
      const { issuer, chain } = signing;
      const now = clock.wall();
      const validity = { notBeforeMs: now - backdateMs, notAfterMs: now + lifeMs };
      return {
        certificate: signIntermediate(issuer, { publicKey, trustDomain, validity, serial: randomSerial() }),
        chain,
      };
    },
  };
}
