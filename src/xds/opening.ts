// From the first request of a stream to its view, and whatever has to wait on the way: requests that come while the view is
// being opened, or while it learns of names.
// It must not know what a request does, nor how a stream ends. Invariants: requests are taken in order; what waits is bounded;
// a view that comes when the stream is over is closed.
import type { ResourceRef, View } from '../resources/resource.ts';
import { isTypeUrl } from '../resources/type-urls.ts';
import type { ClientInfo, Opened, Refusal, ViewProvider, ViewSubscription } from './contract.ts';
import { createEarlyMessages, tooEarly } from './early-messages.ts';
import type { StreamFence } from './fence.ts';
import { decodeNode, nodeFault } from './node.ts';
import { bindingFault, changeOfNode } from './node-binding.ts';
import type { DiscoveryRequest } from './requests.ts';
import type { Sink } from './sink.ts';

export interface OpeningDeps {
  readonly sink: Sink;
  /** Number of the stream. */
  readonly id: number;
  readonly provider: ViewProvider;
  readonly fence: StreamFence;
  readonly isOver: () => boolean;
  /** Throws WireError. */
  readonly read: (bytes: Buffer) => DiscoveryRequest;
  /** What changed in the view. */
  readonly changed: (refs: readonly ResourceRef[]) => void;
  /** The client has said who it is. */
  readonly onNode: () => void;
  /** Ends the stream. */
  readonly refuse: (refusal: Refusal) => void;
  /** The stream has a view now; returns the subscription as the stream is to see it. */
  readonly opened: (subscription: ViewSubscription, client: ClientInfo) => ViewSubscription;
  readonly take: (request: DiscoveryRequest) => void;
  /** The view knows names that it had not been told of. */
  readonly renewed: (view: View) => void;
  /** Called again when nothing waits any more, where the client ended its side meanwhile. */
  readonly halfClosed: () => void;
}

export interface Opening {
  request(bytes: Buffer): void;
  /** True while requests wait. */
  waits(): boolean;
  halfClosed(): void;
  /** Lets go of everything. */
  end(): void;
}

const noType = 'type_url is required on an aggregated stream';

export function createOpening(deps: OpeningDeps): Opening {
  const { sink, fence, isOver } = deps;
  let subscription: ViewSubscription | undefined;
  let client: ClientInfo | undefined;
  const early = createEarlyMessages();
  let waiting = false;
  let halfClosed = false;

  function invalid(message: string): undefined {
    deps.refuse({ refused: 'invalid-argument', message });
  }

  /** The first message says who the client is (R5); undefined if the stream was refused. */
  function claimed({ node, typeUrl }: DiscoveryRequest): ClientInfo | undefined {
    if (typeUrl === '') return invalid(noType);
    if (node === undefined) return invalid('the first message of a stream must have a node');
    const claims = decodeNode(node);
    const fault = nodeFault(claims);
    if (fault !== undefined) return invalid(fault);
    const { principal } = sink;
    const unbound = bindingFault(principal, claims);
    if (unbound !== undefined) {
      deps.refuse(unbound);
      return undefined;
    }
    return { ...claims, streamId: deps.id, peer: sink.peer.name, ...(principal === undefined ? {} : { principal }) };
  }

  /** False if the stream was refused, or its view is yet to come. */
  function open(request: DiscoveryRequest): boolean {
    const info = claimed(request);
    if (info === undefined) return false;
    deps.onNode();
    const opened = deps.provider.open(info, deps.changed);
    if (!(opened instanceof Promise)) return accept(opened, info);
    hold();
    opened.then((later) => {
      if (!isOver()) fence.run(() => resume(request, accept(later, info)));
      else if (!('refused' in later)) later.close();
    }, fence.broken);
    return false;
  }

  function accept(opened: Opened, info: ClientInfo): boolean {
    if ('refused' in opened) {
      deps.refuse(opened);
      return false;
    }
    client = info;
    subscription = deps.opened(opened, info);
    return true;
  }

  function hold(): void {
    waiting = true;
    sink.pause();
  }

  /** Takes the request that made the others wait, and those, in order. */
  function resume(first: DiscoveryRequest, accepted: boolean): void {
    waiting = false;
    const requests = early.takeAll();
    if (!accepted) return;
    admit(first);
    for (const bytes of requests) if (!isOver()) request(bytes);
    if (isOver() || waiting) return;
    sink.resume();
    if (halfClosed) deps.halfClosed();
  }

  /** Takes the request, as soon as the view knows the names in it. */
  function admit(typed: DiscoveryRequest): void {
    const names = typed.variant === 'sotw' ? typed.names : typed.subscribe;
    const coming = isTypeUrl(typed.typeUrl) ? subscription?.prepare?.(typed.typeUrl, names) : undefined;
    if (coming === undefined) {
      deps.take(typed);
      return;
    }
    hold();
    coming.then(
      () =>
        fence.run(() => {
          if (subscription !== undefined) deps.renewed(subscription.view());
          resume(typed, true);
        }),
      fence.broken,
    );
  }

  /** Nobody who proved to be somebody becomes another node on the way. */
  function isSame({ node }: DiscoveryRequest): boolean {
    if (node === undefined || client?.principal === undefined) return true;
    const change = changeOfNode(client, node);
    if (change !== undefined) deps.refuse(change);
    return change === undefined;
  }

  function request(bytes: Buffer): void {
    if (waiting) {
      if (!early.push(bytes)) deps.refuse({ refused: 'resource-exhausted', message: tooEarly });
      return;
    }
    const typed = deps.read(bytes);
    if (subscription === undefined ? open(typed) : isSame(typed)) admit(typed);
  }

  return {
    request,
    waits: () => waiting,
    halfClosed() {
      halfClosed = true;
    },
    end() {
      subscription = undefined;
      client = undefined;
      waiting = false;
      early.takeAll();
    },
  };
}
