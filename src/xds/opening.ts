// Who a client is, by the first message of its stream and by its credential.
// It must not know views or what a stream is sent. Invariant: what the client says never changes who it proved to be.
import type { ClientInfo, Refusal } from './contract.ts';
import { decodeNode, nodeFault } from './node.ts';
import { bindingFault } from './node-binding.ts';
import type { DiscoveryRequest } from './requests.ts';
import type { Sink } from './sink.ts';

/** The first message of a stream says who the client is (R5). Throws WireError. */
export function introduced({ node, typeUrl }: DiscoveryRequest, sink: Sink, streamId: number): ClientInfo | Refusal {
  if (typeUrl === '') return invalid('type_url is required on an aggregated stream');
  if (node === undefined) return invalid('the first message of a stream must have a node');
  const claims = decodeNode(node);
  const fault = nodeFault(claims);
  if (fault !== undefined) return invalid(fault);
  const { principal, peer } = sink;
  const info = { ...claims, streamId, peer: peer.name };
  return principal === undefined ? info : (bindingFault(principal, claims) ?? { ...info, principal });
}

function invalid(message: string): Refusal {
  return { refused: 'invalid-argument', message };
}
