// Where the key-encryption key comes from: a file, a variable of the environment, or what a command prints.
// It must not know what is sealed with it, and reads nothing itself. Invariant: 32 random bytes or CH1805; the message names
// the place, never the content.
import { AppError } from '../util/errors.ts';

export type KeySource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'environment'; readonly name: string }
  /** Program and arguments; no shell. */
  | { readonly kind: 'command'; readonly command: readonly string[] };

export interface KeyReaders {
  file(path: string): Promise<Uint8Array>;
  environment(name: string): string | undefined;
  /** Standard output; rejects if the command fails. */
  command(command: readonly string[]): Promise<Uint8Array>;
}

const length = 32;
/** Of 32 random bytes fewer than this many differ once in 10^30 keys. */
const fewestDifferent = 8;

/** Base64, base64url or hex text, white space around it allowed; from a file or command also 32 bytes as they are. */
export async function readKeyEncryptionKey(readers: KeyReaders, source: KeySource): Promise<Uint8Array> {
  const key = decode(await read(readers, source), source);
  if (key === undefined) throw refusal(source, `is not ${length} bytes as base64 or hex`);
  if (new Set(key).size < fewestDifferent || isText(key)) throw refusal(source, 'is not random');
  return key;
}

async function read(readers: KeyReaders, source: KeySource): Promise<Uint8Array> {
  if (source.kind === 'environment') {
    const text = readers.environment(source.name);
    if (text === undefined || text === '') throw refusal(source, 'is not set');
    return Buffer.from(text);
  }
  const content = source.kind === 'file' ? readers.file(source.path) : readers.command(source.command);
  const bytes = await content.catch((cause: unknown) => {
    throw refusal(source, 'cannot be read', cause);
  });
  if (bytes.length === 0) throw refusal(source, 'is empty');
  return bytes;
}

function decode(bytes: Uint8Array, source: KeySource): Uint8Array | undefined {
  if (bytes.length === length && source.kind !== 'environment') return bytes;
  const text = Buffer.from(bytes).toString('latin1').trim();
  if (/^[0-9a-fA-F]{64}$/.test(text)) return Buffer.from(text, 'hex');
  // 43 characters and at most one of padding.
  return /^[A-Za-z0-9+/_-]{43}=?$/.test(text) ? Buffer.from(text, 'base64') : undefined;
}

/** A password that happens to have 32 characters. */
const isText = (key: Uint8Array): boolean => key.every((byte) => byte >= 0x20 && byte < 0x7f);

function refusal(source: KeySource, why: string, cause?: unknown): AppError {
  return new AppError('CH1805', `the key-encryption key in the ${placeText(source)} ${why}`, { cause });
}

function placeText(source: KeySource): string {
  if (source.kind === 'file') return `file ${JSON.stringify(source.path)}`;
  // Arguments may be secret.
  if (source.kind === 'command') return `output of ${JSON.stringify(source.command[0])}`;
  return `variable ${source.name}`;
}
