// Which family a credential is of: all that were renewed from one another, and from what they began with. Kept in the store, so
// that whoever has only the id of one of them can have all of them revoked, on any replica.
// It must not know how a credential is made. Invariants: what is known is written before the credential leaves; a record is
// remembered for as long as its credential lives.
import type { CredentialRef } from '../model/principal.ts';
import type { Store } from '../model/store.ts';
import type { Clock } from '../util/clock.ts';
import { errorText } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import { familyForm } from './node-claims.ts';
import { decodeRecord, encodeRecord, moment } from './stored-json.ts';

export interface FamiliesDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Families {
  /** Rejects as the store does. */
  remember(kind: string, member: CredentialRef & { readonly notAfterMs: number }): Promise<void>;
  /** Its own id where nothing is remembered of it: it may be the first. Rejects as the store does. */
  of(kind: string, id: string): Promise<string>;
}

const prefix = 'families/';
const sweepEveryMs = 6 * 3_600_000;

export function createFamilies({ store, clock, log }: FamiliesDeps): Families {
  let sweptAtMs = clock.now();

  /** Nobody waits for it, and what fails is tried again with the next. */
  async function sweep(): Promise<void> {
    for (const [key, { value, revision }] of await store.list(prefix))
      if ((moment(decodeRecord(value)?.['untilMs']) ?? 0) <= clock.wall()) await store.delete(key, { revision });
  }

  return {
    async remember(kind, { id, family = id, notAfterMs }) {
      const record = encodeRecord({ version: 1, family, untilMs: Math.ceil(notAfterMs) });
      await store.put(`${prefix}${kind}/${id}`, record, 'absent');
      if (clock.now() - sweptAtMs < sweepEveryMs) return;
      sweptAtMs = clock.now();
      sweep().catch((error: unknown) =>
        log.warn('families of credentials that ended could not be forgotten', { error: errorText(error) }),
      );
    },
    async of(kind, id) {
      const entry = await store.get(`${prefix}${kind}/${id}`);
      const family = entry === undefined ? undefined : decodeRecord(entry.value)?.['family'];
      return typeof family === 'string' && familyForm.test(family) ? family : id;
    },
  };
}
