// What holds for a service, made once for all of its sidecars. Invariant: the same object while nothing it depends on changed.
import type { ServiceId } from '../../model/names.ts';
import { createKeyedMemo, type Ran } from '../memo.ts';
import {
  type AccessWorld,
  authorizationInputs,
  type ConnectionAccess,
  connectionAccess,
  httpAuthorization,
} from './authorization.ts';
import { tokenFilter } from './tokens.ts';

export interface Access {
  readonly requests: ReturnType<typeof httpAuthorization>;
  readonly connections: ConnectionAccess | undefined;
  /** Verifies what the rules ask of tokens. */
  readonly tokens: ReturnType<typeof tokenFilter>;
}

export interface AccessTable {
  of(world: AccessWorld, id: ServiceId): Access;
  sweep(): void;
}

export function createAccessTable(ran: Ran): AccessTable {
  const memo = createKeyedMemo<Access>(ran, 'authorizations');
  return {
    of: (world, id) =>
      memo.get(id, authorizationInputs(world, id), () => ({
        requests: httpAuthorization(world, id),
        connections: connectionAccess(world, id),
        tokens: tokenFilter(world.authorizations.get(id) ?? []),
      })),
    sweep: () => memo.sweep(),
  };
}
