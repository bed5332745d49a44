// The door of the xDS port: what class of access a method has, who asks, and what is decided about both.
// It must not know what is served. Invariant: nothing of a stream is read before the decision.
import { type Asker, decide } from '../model/access.ts';
import { isLoopbackPeer } from '../util/host-port.ts';
import type { Gate } from './gate.ts';
import { accessOf } from './method-access.ts';
import type { Readers } from './readers.ts';
import { nobody, type ServedMethod, type Sink, type StreamListener } from './sink.ts';

export interface Door {
  /** Calls `open` where whoever opened the stream may, now or when that is known; the listener returned stands for that one. */
  admit(sink: Sink, path: string, open: (sink: Sink) => StreamListener): StreamListener;
  /** The same method behind the door. */
  guarded(method: ServedMethod): ServedMethod;
}

/** `gate` finds out which node is calling; undefined where nobody is asked. `readers`: whose a token of the API is. */
export function createDoor(gate: Pick<Gate, 'admit'> | undefined, readers?: Pick<Readers, 'admit'>): Door {
  function admit(sink: Sink, path: string, open: (sink: Sink) => StreamListener): StreamListener {
    const access = accessOf(path);
    const pass = (asker: Asker, known: Sink): StreamListener => {
      const decision = decide(asker, { access, local: isLoopbackPeer(sink.peer.address) });
      if (decision.allowed) return open(known);
      sink.end(decision.refused, decision.reason);
      return nobody;
    };
    if (gate === undefined) return pass({ kind: 'unasked' }, sink);
    if (access === 'inspecting' && readers !== undefined) return readers.admit(sink, (asker) => pass(asker, sink));
    if (access !== 'mesh') return pass({ kind: 'nobody' }, sink);
    return gate.admit(sink, (known) => pass({ kind: 'principal' }, known));
  }
  return {
    admit,
    guarded: ({ path, open }) => ({ path, open: (sink) => admit(sink, path, open) }),
  };
}
