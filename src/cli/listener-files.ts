// The certificate of the xDS port, made by our own authority and renewed in time, as the PEM files that the port reads again
// when they change; and the roots that client certificates are verified by.
// It must not know TLS. Invariant: files appear whole, by rename, mode 0600; a reader never sees half of one.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Authority } from '../ca/contract.ts';
import { createBackoff } from '../util/backoff.ts';
import type { Clock } from '../util/clock.ts';
import type { Logger } from '../util/log.ts';
import { pemText } from '../util/pem.ts';
import { replaceFile } from '../util/private-write.ts';
import type { Random } from '../util/random.ts';

export interface ListenerFilesDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly authority: Pick<Authority, 'issueServer' | 'roots' | 'onRoots'>;
}

export interface ListenerFilesOptions {
  /** Made with mode 0700 if it is missing. */
  readonly folder: string;
  readonly dns: readonly string[];
  readonly ips: readonly string[];
  readonly uri: string;
}

export interface ListenerFiles {
  readonly paths: { readonly cert: string; readonly key: string; readonly roots: string };
  /** Writes all three. Rejects as the authority does, or with what the file system says. */
  open(): Promise<void>;
  /** Renews the certificate, and writes roots that changed, until aborted. */
  run(signal: AbortSignal): Promise<void>;
}

export function createListenerFiles(deps: ListenerFilesDeps, options: ListenerFilesOptions): ListenerFiles {
  const { clock, authority } = deps;
  const log = deps.log.child('ca');
  const { folder, dns, ips, uri } = options;
  const paths = {
    cert: join(folder, 'certificate.pem'),
    key: join(folder, 'key.pem'),
    roots: join(folder, 'roots.pem'),
  };
  let renewAtMs = 0;
  /** Key id of the root of the certificate. */
  let signedBy: string | undefined;
  let wake = new AbortController();

  async function writeCertificate(): Promise<void> {
    signedBy = authority.roots().roots[0]?.keyId;
    const made = await authority.issueServer({ dns, ips, uri });
    // The port looks at both until they fit together.
    await replaceFile(paths.key, pemText('PRIVATE KEY', [made.key]));
    await replaceFile(paths.cert, pemText('CERTIFICATE', made.chain));
    renewAtMs = made.renewAtMs;
  }

  async function writeRoots(): Promise<void> {
    const { roots } = authority.roots();
    await replaceFile(
      paths.roots,
      pemText(
        'CERTIFICATE',
        roots.map(({ certificate }) => certificate),
      ),
    );
  }

  return {
    paths,
    async open() {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeRoots();
      await writeCertificate();
    },
    async run(signal) {
      const backoff = createBackoff(deps.random, 1_000, 60_000);
      const stop = authority.onRoots(({ roots }) => {
        writeRoots().catch((error: unknown) =>
          log.error('the roots could not be written', { file: paths.roots, err: error }),
        );
        // Whoever joins now knows the port by the root that signs.
        if (roots[0]?.keyId !== signedBy) wake.abort();
      });
      let wait = renewAtMs - clock.wall();
      for (;;) {
        await clock.sleep(Math.max(0, wait), AbortSignal.any([signal, wake.signal]));
        if (signal.aborted) break;
        wake = new AbortController();
        try {
          await writeCertificate();
          backoff.reset();
          wait = renewAtMs - clock.wall();
        } catch (error) {
          log.error('the certificate of the xDS port could not be renewed, the former stays', { err: error });
          wait = backoff.next();
        }
      }
      stop();
    },
  };
}
