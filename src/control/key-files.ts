// The files of keys that Authorizations name: read when they are named, and again when they change.
// It must not know where files may lie; a reader is handed in. Invariants: what is in use was whole and public, and stays until
// something better was read; a World that names a file waits for the first look at it, so that a start closes nothing.

import { type KeyFilePlace, type KeySets, keyFilesOf } from '../model/key-sets.ts';
import type { Problem } from '../model/problem.ts';
import { createProblem } from '../model/problem.ts';
import { publicKeySet } from '../model/public-keys.ts';
import type { World } from '../model/world.ts';
import type { Clock } from '../util/clock.ts';
import { errorText } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import type { CertificateFiles } from './edge-certificates.ts';

export interface KeyFilesDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly files: CertificateFiles;
}

export interface KeyFiles {
  /** Those of the World, from now on. A promise while one of them was not looked at yet; it never rejects, nor takes long. */
  follow(authorizations: World['authorizations']): Promise<void> | undefined;
  /** By path, of every file that was ever good since it is named; the same map while it is the same. */
  keySets(): KeySets;
  /** Told, never within `follow`, that keys or problems may be others. */
  onChange(listener: () => void): () => void;
  /** Files that cannot be used, at each object that names them. */
  problems(): readonly Problem[];
  /** Looks at the files until aborted. */
  run(signal: AbortSignal): Promise<void>;
}

interface Kept {
  readonly path: string;
  looked: boolean;
  /** Of the file as it was read last, well or not. */
  seen: string;
  good: string | undefined;
  /** What was wrong at the last look. */
  fault: string | undefined;
  /** What is told to be wrong. */
  told: string | undefined;
  reading: Promise<void> | undefined;
}

/** A disk that does not answer must not hold back everything else. */
const patienceMs = 2_000;

export function createKeyFiles({ clock, log: parent, files }: KeyFilesDeps, everyMs: number): KeyFiles {
  const log = parent.child('keys');
  const listeners = new Set<() => void>();
  let followed: World['authorizations'] | undefined;
  let places: ReadonlyMap<string, readonly KeyFilePlace[]> = new Map();
  let kept: ReadonlyMap<string, Kept> = new Map();
  let sets: KeySets = new Map();
  let first: Promise<void> | undefined;

  function collect(): void {
    sets = new Map([...kept].flatMap(([path, { good }]) => (good === undefined ? [] : [[path, good] as const])));
  }

  async function text(path: string): Promise<string> {
    const set = publicKeySet(await files.read(path));
    if ('fault' in set) throw new Error(`${path} must ${set.fault}`);
    return set.keys;
  }

  async function read(one: Kept): Promise<void> {
    const { path } = one;
    const now = await files.fingerprint([path]);
    // Where something was wrong it is read again in any case: a folder may have become readable.
    if (now === one.seen && one.fault === undefined) return;
    one.seen = now;
    const [was, before] = [one.told, one.good];
    try {
      one.good = await text(path);
      one.fault = undefined;
      one.told = undefined;
      if (one.good !== before) log.info('keys of an issuer of tokens read', { file: path });
    } catch (error) {
      const fault = errorText(error).replace(/^\[CH\d+\] /, '');
      // A file is written in pieces: what is wrong at a second look is a mistake.
      if (one.good === undefined || fault === one.fault) one.told = fault;
      one.fault = fault;
    }
    if ((one.good === before && one.told === was) || kept.get(path) !== one) return;
    collect();
    for (const listener of listeners) listener();
  }

  async function look(): Promise<void> {
    await Promise.all(
      [...kept.values()].map((one) => {
        one.reading ??= read(one)
          .catch((error: unknown) => log.error('a file of keys could not be looked at', { err: error }))
          .finally(() => {
            one.looked = true;
            one.reading = undefined;
          });
        return one.reading;
      }),
    );
  }

  const unlooked = (): boolean => [...kept.values()].some(({ looked }) => !looked);

  /** Ends when all have been looked at, also those that were named meanwhile, or when that takes too long. */
  async function lookFirst(): Promise<void> {
    const late = Promise.withResolvers<void>();
    let patient = true;
    const timer = clock.after(patienceMs, () => {
      patient = false;
      for (const one of kept.values()) one.looked = true;
      late.resolve();
    });
    while (patient && unlooked()) await Promise.race([look(), late.promise]);
    timer.cancel();
    first = undefined;
  }

  return {
    follow(authorizations) {
      if (authorizations !== followed) {
        followed = authorizations;
        places = keyFilesOf(authorizations);
        const fresh = { looked: false, seen: '', good: undefined, fault: undefined, told: undefined } as const;
        const before = kept;
        kept = new Map(
          [...places.keys()].map((path) => [path, before.get(path) ?? { path, ...fresh, reading: undefined }]),
        );
        if ([...before.keys()].some((path) => !kept.has(path))) collect();
      }
      if (!unlooked()) return undefined;
      first ??= lookFirst();
      return first;
    },
    keySets: () => sets,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    problems: () =>
      [...kept.values()].flatMap(({ path, told, good }) => {
        if (told === undefined) return [];
        const meanwhile = good === undefined ? 'no token of its issuer is believed' : 'its former keys are believed';
        return (places.get(path) ?? []).map((place) =>
          createProblem('CH1252', place.provenance, `${told}: ${meanwhile}`, { path: place.path }),
        );
      }),
    async run(signal) {
      while (!signal.aborted) {
        void look();
        await clock.sleep(everyMs, signal);
      }
    },
  };
}
