// Holds what a client says of itself against who it proved to be, and against what it said first.
// It must not know what follows from either. Invariant: a credential that is bound to a node serves that one alone.
import { isDeepStrictEqual } from 'node:util';
import type { Principal } from '../model/principal.ts';
import type { ClientInfo, Refusal } from './contract.ts';
import { decodeNode, type NodeClaims } from './node.ts';

/** Undefined where the principal may be this node. */
export function bindingFault(principal: Principal | undefined, { nodeId }: NodeClaims): Refusal | undefined {
  const bound = principal?.nodeId;
  if (bound === undefined || bound === nodeId) return undefined;
  return { refused: 'permission-denied', message: 'the credential belongs to another node' };
}

/** Of a later message on the stream of a client that was taken. Throws WireError. */
export function changeOfNode(client: ClientInfo, node: Buffer): Refusal | undefined {
  const { nodeId, nodeCluster, metadata } = decodeNode(node);
  if (nodeId === client.nodeId && nodeCluster === client.nodeCluster && isDeepStrictEqual(metadata, client.metadata))
    return undefined;
  return { refused: 'permission-denied', message: 'a stream is of one node, and this message names another' };
}
