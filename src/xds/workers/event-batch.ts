// Events of many streams as few objects: what thousands of streams say alike (one message sent, one acknowledged) crosses
// between threads once, with the streams' numbers beside it.
// It must not know what events mean. Invariant: unpacking gives the same events in the same order.
import type { XdsEvent } from '../contract.ts';

type WithoutStream<T> = T extends { readonly streamId: number } ? Omit<T, 'streamId'> : T;
type Template = WithoutStream<XdsEvent>;

export interface EventBatch {
  readonly templates: readonly Template[];
  /** Index of a template and number of a stream, in turns. */
  readonly entries: Float64Array;
}

/** Equal texts: equal events but for their stream. A nonce belongs to one message of one server. */
function likeness(event: XdsEvent): string | undefined {
  switch (event.kind) {
    case 'due':
    case 'idle':
      return event.kind;
    case 'sent':
    case 'ack':
      return `${event.kind} ${event.nonce} ${event.type}`;
    default:
      return undefined;
  }
}

/** Packs events that one server told. */
export function packEvents(events: readonly XdsEvent[]): EventBatch {
  const templates: Template[] = [];
  const known = new Map<string, number>();
  const entries = new Float64Array(events.length * 2);
  let at = 0;
  for (const event of events) {
    const key = likeness(event);
    let index = key === undefined ? undefined : known.get(key);
    if (index === undefined) {
      index = templates.push(event) - 1;
      if (key !== undefined) known.set(key, index);
    }
    entries[at++] = index;
    entries[at++] = 'streamId' in event ? event.streamId : 0;
  }
  return { templates, entries };
}

export function unpackEvents({ templates, entries }: EventBatch): XdsEvent[] {
  const events: XdsEvent[] = [];
  for (let at = 0; at < entries.length; at += 2) {
    const template = templates[entries[at] ?? 0];
    if (template === undefined) throw new Error('a batch of events lacks a template');
    // `open` carries its stream inside the client it tells of.
    events.push(template.kind === 'open' ? template : { ...template, streamId: entries[at + 1] ?? 0 });
  }
  return events;
}
