// Writes a DiscoveryResponse in proto3 JSON around resources that are JSON already, each of which is turned into it once.
// It must not know HTTP or message schemas. Invariant: the text of a resource is kept no longer than the resource.
import type { Resource } from '../../resources/resource.ts';
import type { TypeUrl } from '../../resources/type-urls.ts';
import type { PollAnswer } from './poll-client.ts';

export interface ResponseSource {
  /** control_plane.identifier of every response. */
  readonly identifier: string;
  /** A resource's message as proto3 JSON text. */
  readonly json: (resource: Resource) => Promise<string>;
}

/** A function that gives the body of a response. */
export function createResponseText({
  identifier,
  json,
}: ResponseSource): (type: TypeUrl, answer: PollAnswer) => Promise<string> {
  const texts = new WeakMap<Resource, Promise<string>>();

  function textOf(resource: Resource): Promise<string> {
    const known = texts.get(resource);
    if (known !== undefined) return known;
    const text = json(resource);
    texts.set(resource, text);
    // A worker asks the main thread, which may have failed for a moment.
    text.catch(() => texts.delete(resource));
    return text;
  }

  return async (type, { version, resources }) => {
    const bodies: string[] = [];
    for (const resource of resources) {
      const text = await textOf(resource);
      const [first = ''] = text.slice(1).trimStart();
      bodies.push(`{"@type":${JSON.stringify(type)}${first === '}' ? '' : ','}${text.slice(1)}`);
    }
    const head = JSON.stringify({ versionInfo: version, typeUrl: type, controlPlane: { identifier } });
    return `${head.slice(0, -1)},"resources":[${bodies.join(',')}]}`;
  };
}
