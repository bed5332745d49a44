// What a caller is told who is nobody. It must not know what was wrong with a credential.
// Invariant: one text for every cause that has to do with a secret, so that nobody learns from it which part of a guess was
// right; the cause is for counters and the audit log.
import type { Caller, Principal, Unknown } from '../model/principal.ts';

export type Cause = Unknown['cause'];

export function refuse(cause: Cause): Unknown {
  if (cause === 'unavailable' || cause === 'rate-limited')
    return { refused: 'unavailable', message: 'callers cannot be authenticated now, try again later', cause };
  if (cause === 'not-entitled')
    return { refused: 'permission-denied', message: 'the caller is known, but not entitled to take part', cause };
  return { refused: 'unauthenticated', message: 'the caller is not authenticated', cause };
}

export function isPrincipal(caller: Caller): caller is Principal {
  return !('refused' in caller);
}
