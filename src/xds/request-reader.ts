// The requests of one stream as they are read from bytes: of its method's variant and type, recognising lists of names that
// the client repeats. It must not know what a request does.
// Invariant: a request of another type than the stream's is never given out.
import { isTypeUrl, shortNames, type TypeUrl } from '../resources/type-urls.ts';
import type { StreamMethod } from './methods.ts';
import type { NameList, NameLists } from './name-lists.ts';
import { type DiscoveryRequest, decodeDelta, decodeSotw } from './requests.ts';
import { WireError } from './wire.ts';

/** Reads the stream's requests, in order. Throws WireError. */
export function createRequestReader(
  { variant, type }: StreamMethod,
  lists: NameLists,
): (bytes: Buffer) => DiscoveryRequest {
  /** SotW: the names last asked for, of each type. */
  const last = new Map<TypeUrl, NameList>();
  return (bytes) => {
    const decoded =
      variant === 'sotw' ? decodeSotw(bytes, { lists, last: last.values() }) : decodeDelta(bytes, { lists, last: [] });
    const request = typed(decoded, type);
    if (request.variant === 'sotw' && request.list !== undefined && isTypeUrl(request.typeUrl))
      last.set(request.typeUrl, request.list);
    return request;
  };
}

/** On a separate stream the type is implicit (R2). */
function typed(request: DiscoveryRequest, type: TypeUrl | undefined): DiscoveryRequest {
  if (type === undefined || request.typeUrl === type) return request;
  if (request.typeUrl !== '') throw new WireError(`this stream carries ${shortNames[type]} only`);
  return { ...request, typeUrl: type };
}
