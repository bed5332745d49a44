// Whose the token is that came with a stream of people's tools, for as long as it holds.
// It must not know what is served, nor what a token may do. Invariants: fail closed, on a fault too; a token that was
// revoked ends its streams soon; none is kept beyond its stream, nor logged.
import type { Asker } from '../model/access.ts';
import type { Credentials, Unknown } from '../model/principal.ts';
import type { Timer } from '../util/clock.ts';
import { limitLog } from '../util/log-budget.ts';
import { credentialsOf } from './credentials.ts';
import type { Sink, StreamListener } from './sink.ts';
import { createWaitingRoom, type Guest, type WaitingRoomDeps } from './waiting-room.ts';

/** Whose a token of the HTTP API is; nobody's where none holds. Unknown: it cannot be found out now. */
export type AskerOf = (credentials: Credentials) => Promise<Asker | Unknown>;

export interface ReadersDeps extends Omit<WaitingRoomDeps<Guest>, 'ask'> {
  readonly askerOf: AskerOf;
}

export interface Readers {
  /** `open` is called once it is known who asks, also where that is nobody. */
  admit(sink: Sink, open: (asker: Asker) => StreamListener): StreamListener;
  stop(): void;
}

interface Reader extends Guest {
  readonly asker: Asker;
}

/** How often it is asked whether the token of an open stream still holds. */
const checkMs = 5_000;
const unavailable: Unknown = {
  refused: 'unavailable',
  message: 'it cannot be found out now whose the token is',
  cause: 'unavailable',
};

export function createReaders({ askerOf, ...deps }: ReadersDeps): Readers {
  const { clock, log } = deps;
  const audit = limitLog(log.child('audit'), clock, { burst: 200, perSecond: 20 });

  /** Of a fault only its kind: its words may hold what was looked at. */
  const safely: AskerOf = (credentials) =>
    askerOf(credentials).catch((error: unknown) => {
      log.error('it could not be found out who asks', { error: error instanceof Error ? error.name : typeof error });
      return unavailable;
    });

  async function ofToken(sink: Sink, over: () => void): Promise<Reader | Unknown> {
    const credentials = credentialsOf(sink.peer, sink.credentials);
    const asker = await safely(credentials);
    if ('refused' in asker) return asker;
    let timer: Timer | undefined;
    let left = false;
    const look = (): void => {
      timer = clock.after(checkMs, async () => {
        const now = await safely(credentials);
        if (left) return;
        // Where it cannot be found out it is as it was.
        if ('refused' in now || now.kind === asker.kind) look();
        else over();
      });
    };
    if (asker.kind === 'role') look();
    return {
      asker,
      leave() {
        left = true;
        timer?.cancel();
      },
    };
  }

  const room = createWaitingRoom<Reader>({
    ...deps,
    ask: (sink, onOver) =>
      sink.credentials.authorization.length === 0
        ? { asker: { kind: 'nobody' }, leave() {} }
        : ofToken(sink, () => onOver({ cause: 'revoked', message: 'the token holds no more' })),
  });
  return {
    stop: room.stop,
    admit: (sink, open) =>
      room.admit(sink, ({ asker }) => {
        if (asker.kind === 'role')
          audit.info('a reader was let in', { who: asker.name, role: asker.role, peer: sink.peer.name });
        return open(asker);
      }),
  };
}
