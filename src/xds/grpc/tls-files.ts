// The certificate, key and client authority of a port: read from files, and read again when those change.
// It must not know connections. Invariant: what is in use was whole and fitted together; files that do not leave it in use.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import type { Clock } from '../../util/clock.ts';
import { AppError, errorText } from '../../util/errors.ts';
import { fingerprint } from '../../util/file-changes.ts';
import type { Logger } from '../../util/log.ts';
import type { Metrics } from '../../util/metrics.ts';

export interface TlsFiles {
  /** PEM: the certificate of this server, then those that signed it. */
  readonly cert: string;
  /** PEM: its private key. */
  readonly key: string;
  /** PEM: authorities of client certificates. With it, only clients that show one are let in. */
  readonly clientCa?: string;
}

/** What a secure context is made of. */
export type TlsMaterial = Pick<SecureContextOptions, 'cert' | 'key' | 'ca'>;

export interface TlsFileDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Whose they are; default xDS. */
  readonly port?: 'xDS' | 'HTTP';
}

export interface WatchedTlsFiles {
  /** Reads the files. Rejects with CH1503, which names the file. */
  read(): Promise<TlsMaterial>;
  /** Looks at the files until aborted, and tells what changed and is good. */
  watch(onChange: (material: TlsMaterial) => void, signal: AbortSignal): Promise<void>;
}

export function createTlsFiles(
  { clock, log, metrics, port = 'xDS' }: TlsFileDeps,
  files: TlsFiles,
  everyMs: number,
): WatchedTlsFiles {
  const expiry = metrics.gauge(
    `${port.toLowerCase()}_certificate_expiry_seconds`,
    `When the certificate of the ${port} port ends, in seconds since the Unix epoch`,
  );
  const paths = [files.cert, files.key, ...(files.clientCa === undefined ? [] : [files.clientCa])];
  let seen = '';

  async function read(): Promise<TlsMaterial> {
    seen = await fingerprint(paths);
    const [cert = '', key = '', ca] = await Promise.all(paths.map(readPem));
    check(files, { cert, key, ca });
    const { validTo, subject } = new X509Certificate(cert);
    expiry.set({}, Date.parse(validTo) / 1000);
    log.info(`certificate of the ${port} port read`, { file: files.cert, subject, validTo });
    return { cert, key, ...(ca === undefined ? {} : { ca }) };
  }

  return {
    read,
    async watch(onChange, signal) {
      let before = '';
      let told = '';
      for (;;) {
        await clock.sleep(everyMs, signal);
        if (signal.aborted) return;
        if (before === '' && (await fingerprint(paths)) === seen) continue;
        try {
          onChange(await read());
          before = '';
          told = '';
        } catch (error) {
          const text = errorText(error);
          // Certificate and key are replaced one after the other: what does not fit at a second look is a mistake.
          if (text === before && text !== told) {
            log.error(`the TLS files of the ${port} port cannot be used, the former stay in use`, { error: text });
            told = text;
          }
          before = text;
        }
      }
    },
  };
}

async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new AppError('CH1503', `${path} cannot be read`, { cause });
  }
}

interface Pems {
  readonly cert: string;
  readonly key: string;
  readonly ca: string | undefined;
}

/** Each file by itself first, so that the message names the one that is wrong. */
function check(files: TlsFiles, { cert, key, ca }: Pems): void {
  const attempt = <T>(path: string, what: string, action: () => T): T => {
    try {
      return action();
    } catch (cause) {
      throw new AppError('CH1503', `${path} ${what}`, { cause });
    }
  };
  const certificate = attempt(files.cert, 'holds no certificate in PEM', () => new X509Certificate(cert));
  const privateKey = attempt(files.key, 'holds no usable private key in PEM', () => createPrivateKey(key));
  if (ca !== undefined) attempt(files.clientCa ?? '', 'holds no certificate in PEM', () => new X509Certificate(ca));
  if (!certificate.checkPrivateKey(privateKey))
    throw new AppError('CH1503', `${files.key} is not the key of the certificate in ${files.cert}`);
  attempt(files.cert, 'cannot be used with its key', () =>
    createSecureContext({ cert, key, ...(ca === undefined ? {} : { ca }) }),
  );
}
