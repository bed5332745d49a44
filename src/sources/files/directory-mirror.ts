// A directory of small files kept in memory: watched, read again when something moves, and every two seconds anyway.
// Rules: the first event starts a pass at once; at most one pass runs; what happens meanwhile is one more pass.
// A text that looks half-written (empty, or cut before its last line break) and a file that vanished replace what was
// there only after they stood still for a while (`settleMs`): editors truncate, then write, or rename away, then create.
// It must not know what the files mean. Invariant: a state with equal content is never told twice.
import { resolve } from 'node:path';
import type { Bell } from '../bell.ts';
import { createBell } from '../bell.ts';
import type { SourceDeps } from '../source-deps.ts';
import { errorCode, type FoundFile, fault, listDirectory, readStill } from './directory-pass.ts';
import { createDirectoryWatchers } from './directory-watchers.ts';

const pollMs = 2000;
/** Least time between the ends and starts of passes in a burst. */
const gapMs = 10;
const heldPollMs = 50;
/** A text that keeps changing is taken after this many times the while that it should stand still. */
const mostSettles = 5;
const readsAtOnce = 32;

export interface DirectoryState {
  /** Text by path relative to the directory; the same map when nothing changed. */
  readonly texts: ReadonlyMap<string, string>;
  /** Why the directory itself cannot be read; the texts are the last good ones. */
  readonly missing?: string;
  /** Files that cannot be read, with the reason; their last good texts are kept. */
  readonly unreadable: ReadonlyMap<string, string>;
  /** False until the directory was read once. */
  readonly complete: boolean;
}

export interface DirectoryMirror {
  readonly root: string;
  run(signal: AbortSignal, tell: (state: DirectoryState) => void): Promise<void>;
  /** Says that `path` was just written or removed by this process, whole: it is read at once and believed. */
  trust(path: string): void;
}

export interface DirectoryMirrorOptions {
  readonly directory: string;
  /** Only the file of this name. */
  readonly only?: string;
}

interface Hold {
  readonly text: string | undefined;
  readonly sinceMs: number;
  readonly untilMs: number;
}

export function createDirectoryMirror(deps: SourceDeps, options: DirectoryMirrorOptions): DirectoryMirror {
  const { clock, log } = deps;
  const root = resolve(options.directory);
  const trusted = new Set<string>();
  let bell: Bell | undefined;

  async function run(signal: AbortSignal, tell: (state: DirectoryState) => void): Promise<void> {
    const ownBell = createBell(clock, signal);
    bell = ownBell;
    const watchers = createDirectoryWatchers(ownBell, log.child('files'));
    const stamps = new Map<string, string>();
    const held = new Map<string, Hold>();
    let state: DirectoryState = { texts: new Map(), unreadable: new Map(), complete: false };
    let told: DirectoryState | undefined;
    let lastPassMs = Number.NEGATIVE_INFINITY;

    /** Whether `text` may take the place of what is known under `path`; otherwise it waits. */
    function settled(path: string, text: string | undefined, known: string | undefined): boolean {
      if (trusted.has(path) || !looksUnfinished(path, text, known)) return true;
      const hold = held.get(path);
      const now = clock.now();
      if (hold !== undefined && hold.text === text && now >= hold.untilMs) return true;
      if (hold === undefined || hold.text !== text) {
        const sinceMs = hold?.sinceMs ?? now;
        const whileMs = settleMs(text, known);
        const lastMs = sinceMs + mostSettles * whileMs;
        if (now >= lastMs) return true;
        held.set(path, { text, sinceMs, untilMs: Math.min(now + whileMs, lastMs) });
      }
      return false;
    }

    async function pass(): Promise<void> {
      const believed = [...trusted];
      const dirty = watchers.takeDirty();
      watchers.parent(root);
      const { files, unreadable } = await listDirectory(root, {
        ...(options.only === undefined ? {} : { only: options.only }),
        onDirectory: watchers.directory,
      });
      watchers.sweep();
      const faults = new Map(unreadable);
      const texts = new Map<string, string>();
      const reads: FoundFile[] = [];
      for (const [path, file] of files) {
        const known = state.texts.get(path);
        const fresh = stamps.get(path) === file.stamp && !dirty.has(file.absolute);
        if (fresh && !held.has(path) && !trusted.has(path) && known !== undefined) texts.set(path, known);
        else reads.push(file);
      }
      const take = (path: string, text: string | undefined): void => {
        const known = state.texts.get(path);
        const kept = text === known || settled(path, text, known) ? text : known;
        if (kept === text) held.delete(path);
        if (kept !== undefined) texts.set(path, kept);
      };
      for (let at = 0; at < reads.length; at += readsAtOnce) {
        await Promise.all(
          reads.slice(at, at + readsAtOnce).map(async (file) => {
            try {
              const text = await readStill(file);
              stamps.set(file.path, file.stamp);
              take(file.path, text);
            } catch (error) {
              stamps.delete(file.path);
              faults.set(file.path, fault(error));
            }
          }),
        );
      }
      for (const path of faults.keys()) {
        const known = state.texts.get(path);
        if (known !== undefined) texts.set(path, known);
      }
      for (const path of new Set([...state.texts.keys(), ...held.keys()]))
        if (!files.has(path) && !faults.has(path)) {
          stamps.delete(path);
          take(path, undefined);
        }
      for (const path of believed) trusted.delete(path);
      // The first state waits until nothing looks half-written any more.
      if (!state.complete && held.size > 0) return;
      state = { texts: sameTexts(state.texts, texts) ? state.texts : texts, unreadable: faults, complete: true };
    }

    try {
      while (!signal.aborted) {
        lastPassMs = clock.now();
        try {
          await pass();
        } catch (error) {
          if (errorCode(error) === '') throw error;
          watchers.sweep();
          state = { ...state, missing: fault(error) };
        }
        if (signal.aborted) return;
        const news = !told || !sameState(told, state);
        if (news && (state.complete || state.missing !== undefined)) {
          told = state;
          tell(state);
        }
        await ownBell.wait(held.size > 0 ? heldPollMs : pollMs);
        const since = clock.now() - lastPassMs;
        if (since < gapMs) await clock.sleep(gapMs - since, signal);
      }
    } finally {
      watchers.close();
      bell = undefined;
    }
  }

  return {
    root,
    run,
    trust(path) {
      trusted.add(path);
      bell?.ring();
    },
  };
}

/**
 * Empty, or cut before its last line break. A text that never ended in a line break, and JSON that is whole, are fine.
 * `known` is the text in its place, `text` undefined when the file is gone.
 */
export function looksUnfinished(path: string, text: string | undefined, known: string | undefined): boolean {
  if (text === undefined) return known !== undefined;
  if (text.trim() === '') return text !== known;
  if (text.endsWith('\n')) return false;
  if (known?.trim() && !known.endsWith('\n')) return false;
  return !(/\.json$/i.test(path) && isJson(text));
}

/**
 * How long a text that looks unfinished has to stand still, by what is lost if it was not meant: a writer on a busy machine
 * can be kept from its second call for hundreds of milliseconds (150 seen), and every object of the file would go meanwhile.
 */
function settleMs(text: string | undefined, known: string | undefined): number {
  if (!known?.trim()) return 50;
  return text === undefined ? 250 : 1000;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function sameTexts(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...b].every(([path, text]) => a.get(path) === text);
}

function sameState(a: DirectoryState, b: DirectoryState): boolean {
  return (
    a.texts === b.texts && a.complete === b.complete && a.missing === b.missing && sameTexts(a.unreadable, b.unreadable)
  );
}
