// The operating system's change events for a set of directories, as rings of a bell and a set of names to read again.
// A directory is watched before it is listed, so that nothing falls between. Where watching fails, polling remains.
// Invariant: after `close` nothing is open.
import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Logger } from '../../util/log.ts';
import type { Bell } from '../bell.ts';
import { fault } from './directory-pass.ts';

export interface DirectoryWatchers {
  /** Watches a directory, anew if another one has taken its place. */
  directory(absolute: string, identity: string): void;
  /** Watches the directory above the root for the root's own coming, going and being swapped. */
  parent(root: string): void;
  /** Stops watching the directories not named since the last sweep. */
  sweep(): void;
  /** Absolute paths named by events since the last call. */
  takeDirty(): ReadonlySet<string>;
  close(): void;
}

interface Watched {
  readonly watcher: FSWatcher;
  readonly identity: string;
}

export function createDirectoryWatchers(bell: Bell, log: Logger): DirectoryWatchers {
  const watched = new Map<string, Watched>();
  let named = new Set<string>();
  let dirty = new Set<string>();
  let above: FSWatcher | undefined;
  let complained = false;

  function open(directory: string, onName: (name: string | null) => void): FSWatcher | undefined {
    try {
      const watcher = watch(directory, (_event, name) => onName(name));
      watcher.on('error', (error) => {
        complain(directory, error);
        watcher.close();
        const [key] = [...watched].find(([, entry]) => entry.watcher === watcher) ?? [];
        if (key !== undefined) watched.delete(key);
        if (above === watcher) above = undefined;
      });
      return watcher;
    } catch (error) {
      complain(directory, error);
      return undefined;
    }
  }

  function complain(directory: string, error: unknown): void {
    if (complained) return;
    complained = true;
    log.warn('a directory cannot be watched; it is read again every two seconds instead', {
      directory,
      reason: fault(error),
    });
  }

  return {
    directory(absolute, identity) {
      named.add(absolute);
      const old = watched.get(absolute);
      if (old?.identity === identity) return;
      old?.watcher.close();
      watched.delete(absolute);
      const watcher = open(absolute, (name) => {
        if (name !== null) dirty.add(join(absolute, name));
        bell.ring();
      });
      if (watcher !== undefined) watched.set(absolute, { watcher, identity });
    },
    parent(root) {
      above ??= open(dirname(root), (name) => {
        if (name === null || name === basename(root)) bell.ring();
      });
    },
    sweep() {
      for (const [path, { watcher }] of watched) {
        if (named.has(path)) continue;
        watcher.close();
        watched.delete(path);
      }
      named = new Set();
    },
    takeDirty() {
      const taken = dirty;
      dirty = new Set();
      return taken;
    },
    close() {
      for (const { watcher } of watched.values()) watcher.close();
      watched.clear();
      above?.close();
    },
  };
}
