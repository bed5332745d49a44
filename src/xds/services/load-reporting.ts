// envoy.service.load_stats.v3.LoadReportingService: asks each client for the load of its clusters and passes on what it says.
// It must not know what becomes of the counts. Invariants: a client is taken or refused as on a discovery stream; at most one
// answer waits to be taken; a client that reports without pause is ended.
import { typeUrls } from '../../resources/type-urls.ts';
import type { Clock } from '../../util/clock.ts';
import type { Logger } from '../../util/log.ts';
import type { ClientInfo, Opened, ViewProvider, ViewSubscription, XdsEvent } from '../contract.ts';
import { endOf } from '../fence.ts';
import { type Frame, frameOf } from '../frame.ts';
import { decodeNode, type NodeClaims, nodeFault } from '../node.ts';
import { bindingFault, changeOfNode } from '../node-binding.ts';
import type { Sink, StatusName, StreamListener } from '../sink.ts';
import { WireError } from '../wire.ts';
import { decodeLoadRequest, encodeLoadResponse, type LoadRequest } from './load-report.ts';

export interface LoadReportingDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly provider: ViewProvider;
  readonly onEvent: (event: XdsEvent) => void;
  readonly nextStreamId: () => number;
  /** How often a client is to report. */
  readonly intervalMs: number;
}

const sendAllFeature = 'envoy.lrs.supports_send_all_clusters';
/** Reports in a row that come sooner than half an interval after the one before. */
const maxHasty = 20;

interface Asked {
  /** The names as one text. */
  readonly text: string;
  readonly frame: Frame;
}

/** Clients of one view are asked alike, and may be slow to take it: they share the message. */
const maxShared = 16;

/** The handler of StreamLoadStats. */
export function createLoadReporting(deps: LoadReportingDeps): (sink: Sink) => StreamListener {
  const shared = new Map<string, Asked>();

  function askFor(names: readonly string[] | undefined): Asked {
    const text = names?.join('\n') ?? '*';
    const known = shared.get(text);
    if (known !== undefined) return known;
    const made = { text, frame: frameOf(encodeLoadResponse(names, deps.intervalMs)) };
    shared.set(text, made);
    const [oldest] = shared.keys();
    if (shared.size > maxShared && oldest !== undefined) shared.delete(oldest);
    return made;
  }

  return (sink) => {
    const streamId = deps.nextStreamId();
    let client: ClientInfo | undefined;
    let subscription: ViewSubscription | undefined;
    let sendAll = false;
    let opening = false;
    let over = false;
    let lastReport = Number.NEGATIVE_INFINITY;
    let hasty = 0;
    /** What was asked for last. */
    let asked: Asked | undefined;
    let writing = false;

    function close(): void {
      if (over) return;
      over = true;
      if (subscription === undefined) return;
      subscription.close();
      deps.onEvent({ kind: 'load-end', streamId });
    }

    function end(status: StatusName, details: string): void {
      if (over) return;
      close();
      sink.end(status, details);
    }

    function fenced(action: () => void): void {
      if (over) return;
      try {
        action();
      } catch (error) {
        broken(error);
      }
    }

    function broken(error: unknown): void {
      const { status, details } = endOf(error, { log: deps.log, stream: streamId, what: 'a load report' });
      end(status, details);
    }

    /** Asks for what the view has now, if that is anything new. */
    function ask(): void {
      if (writing || over || subscription === undefined) return;
      const names = sendAll ? undefined : [...subscription.view().names(typeUrls.cluster)].sort();
      const wanted = askFor(names);
      if (wanted.text === asked?.text) return;
      asked = wanted;
      writing = true;
      sink.write(wanted.frame, () => {
        writing = false;
        fenced(ask);
      });
    }

    function open(request: LoadRequest): void {
      const claims = claimsOf(request);
      sendAll = claims.clientFeatures.includes(sendAllFeature);
      const { principal } = sink;
      const unbound = bindingFault(principal, claims);
      if (unbound !== undefined) {
        end(unbound.refused, unbound.message);
        return;
      }
      client = { ...claims, streamId, peer: sink.peer.name, ...(principal === undefined ? {} : { principal }) };
      const opened = deps.provider.open(client, (changed) => {
        if (changed.some(({ type }) => type === typeUrls.cluster)) fenced(ask);
      });
      opening = true;
      if (opened instanceof Promise) opened.then(acceptLater, broken);
      else accept(opened);
    }

    function acceptLater(opened: Opened): void {
      if (!over) fenced(() => accept(opened));
      else if (!('refused' in opened)) opened.close();
    }

    function accept(opened: Opened): void {
      if ('refused' in opened) {
        end(opened.refused, opened.message);
        return;
      }
      subscription = opened;
      ask();
    }

    /** Nobody who proved to be somebody becomes another node on the way. */
    function isSame({ node }: LoadRequest): boolean {
      if (node === undefined || client?.principal === undefined) return true;
      const change = changeOfNode(client, node);
      if (change !== undefined) end(change.refused, change.message);
      return change === undefined;
    }

    function report({ clusters }: LoadRequest): void {
      const now = deps.clock.now();
      hasty = now - lastReport < deps.intervalMs / 2 ? hasty + 1 : 0;
      lastReport = now;
      if (hasty > maxHasty) end('resource-exhausted', `reports are to come every ${deps.intervalMs} ms`);
      else deps.onEvent({ kind: 'load', streamId, clusters });
    }

    return {
      incoming: (bytes) =>
        fenced(() => {
          const request = decodeLoadRequest(bytes);
          if (!isSame(request)) return;
          if (subscription !== undefined) report(request);
          else if (!opening) open(request);
        }),
      halfClosed: () => end('ok', ''),
      closed: close,
    };
  };
}

/** Who the client says it is. Throws WireError. */
function claimsOf({ node }: LoadRequest): NodeClaims {
  if (node === undefined) throw new WireError('the first message of a stream must have a node');
  const claims = decodeNode(node);
  const fault = nodeFault(claims);
  if (fault !== undefined) throw new WireError(fault);
  return claims;
}
