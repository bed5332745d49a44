// Serves a stream once it is known which node opened it, and ends it when that is over.
// It must not know what is served. Invariants: those of the waiting room; every stream let in has a line in the audit log.
import type { Principal } from '../model/principal.ts';
import { limitLog } from '../util/log-budget.ts';
import type { Admitted, Callers } from './callers.ts';
import { credentialsOf } from './credentials.ts';
import type { Sink, StreamListener } from './sink.ts';
import { createWaitingRoom, type WaitingRoomDeps } from './waiting-room.ts';

/** A sink whose principal is known. */
export type KnownSink = Sink & { readonly principal: Principal };

export interface GateDeps extends Omit<WaitingRoomDeps<Admitted>, 'ask'> {
  readonly callers: Callers;
}

export interface Gate {
  /** `open` is called with the same sink, now or when it is known whose it is; the listener returned stands for that one. */
  admit(sink: Sink, open: (sink: KnownSink) => StreamListener): StreamListener;
  /** Ends every stream that waits, and whoever comes, with UNAVAILABLE. */
  stop(): void;
}

export function createGate({ callers, ...deps }: GateDeps): Gate {
  const audit = limitLog(deps.log.child('audit'), deps.clock, { burst: 2_000, perSecond: 200 });
  const room = createWaitingRoom<Admitted>({
    ...deps,
    ask: (sink, onOver) => callers.ask(() => credentialsOf(sink.peer, sink.credentials), onOver),
  });
  return {
    stop: room.stop,
    admit: (sink, open) =>
      room.admit(sink, ({ principal }) => {
        const { id, credential } = principal;
        audit.info('a caller was let in', {
          ...{ who: id, credential: credential.kind, credentialId: credential.id, peer: sink.peer.name },
        });
        return open({ ...sink, principal });
      }),
  };
}
