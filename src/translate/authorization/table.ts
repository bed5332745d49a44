// What holds for a service, made once for all of its sidecars. Invariant: the same object while nothing it depends on changed.
import type { ServiceId } from '../../model/names.ts';
import type { Provenance } from '../../model/provenance.ts';
import { createKeyedMemo, type Ran } from '../memo.ts';
import {
  type AccessWorld,
  authorizationInputs,
  type ConnectionAccess,
  connectionAccess,
  httpAuthorization,
} from './authorization.ts';
import { tokenProviders } from './tokens.ts';

export interface Access {
  readonly requests: ReturnType<typeof httpAuthorization>;
  readonly connections: ConnectionAccess | undefined;
  /** Verifies what the rules ask of tokens. */
  readonly tokens: ReturnType<typeof tokenProviders>;
  /** Where that was written. */
  readonly asked: readonly Provenance[] | undefined;
}

export interface AccessTable {
  of(world: AccessWorld, id: ServiceId): Access;
  sweep(): void;
}

function askedBy({ authorizations }: AccessWorld, id: ServiceId): readonly Provenance[] | undefined {
  const asking = (authorizations.get(id) ?? []).filter(({ issuers }) => issuers !== undefined);
  return asking.length === 0 ? undefined : asking.map(({ provenance }) => provenance);
}

export function createAccessTable(ran: Ran): AccessTable {
  const memo = createKeyedMemo<Access>(ran, 'authorizations');
  return {
    of: (world, id) =>
      memo.get(id, authorizationInputs(world, id), () => ({
        requests: httpAuthorization(world, id),
        connections: connectionAccess(world, id),
        asked: askedBy(world, id),
        tokens: tokenProviders(world.authorizations.get(id) ?? []),
      })),
    sweep: () => memo.sweep(),
  };
}
