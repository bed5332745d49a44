// The keys that stand in files, put where an Authorization names them. Pure; who reads the files hands in what is in them.
// Invariant: of a file that was never read there are no keys, so that no token is believed; what did not change is the same
// object as before.
import type { Authorization, TokenIssuer } from './authorization.ts';
import type { ServiceId } from './names.ts';
import type { Provenance } from './provenance.ts';
import { shared, sharedMap } from './sharing.ts';

/** By path: what `publicKeySet` made of the file that stands there. */
export type KeySets = ReadonlyMap<string, string>;

type ByService = ReadonlyMap<ServiceId, readonly Authorization[]>;

export interface KeyedAuthorizations {
  readonly authorizations: ByService;
  /** Those of the objects, and the keys that were put into them. */
  readonly from: ByService;
  readonly keySets: KeySets | undefined;
}

export function nextKeys(
  previous: KeyedAuthorizations | undefined,
  from: ByService,
  keySets: KeySets | undefined,
): KeyedAuthorizations {
  if (previous?.from === from && previous.keySets === keySets) return previous;
  const keyed = new Map<ServiceId, readonly Authorization[]>();
  for (const [id, list] of from) {
    const before = previous?.authorizations.get(id);
    if (list.some(hasFiles))
      keyed.set(
        id,
        shared(
          before,
          list.map((one) => withKeys(one, keySets)),
        ),
      );
  }
  if (keyed.size === 0) return { authorizations: from, from, keySets };
  const all = new Map([...from].map(([id, list]) => [id, keyed.get(id) ?? list]));
  return { authorizations: sharedMap(previous?.authorizations, all), from, keySets };
}

function hasFiles({ issuers = [] }: Authorization): boolean {
  return issuers.some(({ keyFile }) => keyFile !== undefined);
}

function withKeys(one: Authorization, keySets: KeySets | undefined): Authorization {
  if (!hasFiles(one)) return one;
  const issuers = (one.issuers ?? []).map(
    (issuer): TokenIssuer =>
      issuer.keyFile === undefined ? issuer : { ...issuer, keys: keySets?.get(issuer.keyFile) ?? '' },
  );
  return { ...one, issuers };
}

/** Where a file of keys is named. */
export interface KeyFilePlace {
  readonly provenance: Provenance;
  /** In the object. */
  readonly path: string;
}

/** Every file of keys, with all places that name it. */
export function keyFilesOf(authorizations: ByService): ReadonlyMap<string, readonly KeyFilePlace[]> {
  const places = new Map<string, KeyFilePlace[]>();
  for (const { issuers = [], provenance } of [...authorizations.values()].flat())
    for (const [index, { keyFile }] of issuers.entries()) {
      if (keyFile === undefined) continue;
      const place = { provenance, path: `spec.jwt[${index}].jwks.file` };
      const known = places.get(keyFile);
      if (known === undefined) places.set(keyFile, [place]);
      else known.push(place);
    }
  return places;
}
