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

export interface Access {
  readonly requests: ReturnType<typeof httpAuthorization>;
  readonly connections: ConnectionAccess | undefined;
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
      })),
    sweep: () => memo.sweep(),
  };
}
