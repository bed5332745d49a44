// One pass over a directory tree: which configuration files lie there, and the text of those that changed.
// It must not know what the files mean. Invariant: a file that changes while it is read is read again;
// a loop of symbolic links ends; nothing but regular files is opened.
import { constants } from 'node:fs';
import { open, readdir, realpath, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';

const extension = /\.(?:ya?ml|json)$/i;
const deepest = 32;
const readTries = 3;
/** What is larger was not written for us, and would hold up everything else while it is parsed. */
const maxFileMiB = 16;

/** Whether a file of this name is read: YAML or JSON, not hidden, not an editor's own file. */
export function isConfigurationName(name: string): boolean {
  return extension.test(name) && !name.startsWith('.') && !name.startsWith('#') && !name.startsWith('~$');
}

export interface FoundFile {
  /** Relative to the root, with `/`. */
  readonly path: string;
  readonly absolute: string;
  /** Differs when the file may have changed: device, inode, size, modification and change time. A hint, never an age. */
  readonly stamp: string;
}

export interface Listing {
  readonly files: ReadonlyMap<string, FoundFile>;
  /** Why an entry could not be looked at, by path. */
  readonly unreadable: ReadonlyMap<string, string>;
}

export interface ListOptions {
  /** Reads only the file of this name, in the root itself. */
  readonly only?: string;
  /** Told of every directory before it is listed, with what identifies it. */
  readonly onDirectory: (absolute: string, identity: string) => void;
}

/** Lists the tree. Rejects when the root itself cannot be listed. */
export async function listDirectory(root: string, options: ListOptions): Promise<Listing> {
  const files = new Map<string, FoundFile>();
  const unreadable = new Map<string, string>();

  async function visit(absolute: string, path: string, above: readonly string[]): Promise<void> {
    const real = await realpath(absolute);
    if (above.includes(real) || above.length >= deepest) return;
    const { dev, ino } = await stat(absolute, { bigint: true });
    options.onDirectory(absolute, `${dev}:${ino}`);
    const entries = await readdir(absolute, { withFileTypes: true });
    await Promise.all(
      entries.map(async ({ name }) => {
        if (name.startsWith('.')) return;
        if (options.only !== undefined && name !== options.only) return;
        const child = join(absolute, name);
        const childPath = path === '' ? name : `${path}/${name}`;
        try {
          const info = await stat(child, { bigint: true });
          if (info.isDirectory() && options.only === undefined) await visit(child, childPath, [...above, real]);
          else if (info.isFile() && isConfigurationName(name) && info.size > maxFileMiB << 20)
            unreadable.set(childPath, `larger than ${maxFileMiB} MiB`);
          else if (info.isFile() && isConfigurationName(name))
            files.set(childPath, {
              path: childPath,
              absolute: child,
              stamp: `${info.dev}:${info.ino}:${info.size}:${info.mtimeNs}:${info.ctimeNs}`,
            });
        } catch (error) {
          // Gone between the listing and the look, or a link to nothing: not there.
          if (errorCode(error) !== 'ENOENT') unreadable.set(childPath, fault(error));
        }
      }),
    );
  }

  await visit(root, '', []);
  return { files, unreadable };
}

/** Text of a file as it stood still; undefined when it is gone. Rejects when it cannot be read. */
export async function readStill(file: FoundFile): Promise<string | undefined> {
  try {
    let text = '';
    for (let attempt = 0; attempt < readTries; attempt++) {
      // Not blocking: what became a pipe since the listing must not stop the pass.
      await using handle = await open(file.absolute, constants.O_RDONLY | constants.O_NONBLOCK);
      const before = await handle.stat({ bigint: true });
      if (!before.isFile()) return undefined;
      text = await handle.readFile('utf8');
      const after = await handle.stat({ bigint: true });
      if (before.size === after.size && before.mtimeNs === after.mtimeNs) return text;
    }
    return text;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

const plain: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ELOOP: 'a symbolic link that leads to itself',
  EISDIR: 'a directory',
  ENOENT: 'it does not exist',
  ENOTDIR: 'it is no directory',
};

/** An error of the file system in plain words. */
export function fault(error: unknown): string {
  const code = errorCode(error);
  return plain[code] ?? (code === '' ? String(error) : code);
}

/** For messages: the last part of a path. */
export function fileName(path: string): string {
  return basename(path);
}
