// What proxies refuse now: one entry for each content that some hold out against, however many they are.
// It changes nothing. Invariant: an entry is gone when its content was mended, taken after all, or the last such proxy went.
import type { Provenance } from '../model/provenance.ts';
import { shortNames } from '../resources/type-urls.ts';
import type { RefusalStatus } from './contract.ts';
import { type StreamRecord, standingRefusals } from './ledger.ts';
import type { OpenView } from './views.ts';

const maxNodes = 5;
const maxRefusals = 200;

interface Group {
  readonly first: Omit<RefusalStatus, 'proxies' | 'nodes' | 'sinceMs'>;
  readonly nodes: Set<string>;
  sinceMs: number;
}

/** Oldest first. */
export function groupRefusals(
  records: Iterable<StreamRecord>,
  viewOf: (streamId: number) => OpenView | undefined,
): readonly RefusalStatus[] {
  const groups = new Map<string, Group>();
  for (const record of records) {
    const view = viewOf(record.client.streamId)?.view;
    for (const { type, name, version, message, sinceMs } of standingRefusals(record, view)) {
      const key = `${type}\n${name}\n${version}`;
      const known = groups.get(key);
      const provenance: readonly Provenance[] = view?.get(type, name)?.provenance ?? [];
      const group: Group = known ?? {
        first: { type: shortNames[type], name, message, provenance },
        nodes: new Set(),
        sinceMs,
      };
      group.nodes.add(record.client.nodeId);
      group.sinceMs = Math.min(group.sinceMs, sinceMs);
      groups.set(key, group);
    }
  }
  return [...groups.values()]
    .sort((a, b) => a.sinceMs - b.sinceMs)
    .slice(0, maxRefusals)
    .map(({ first, nodes, sinceMs }) => ({
      ...{ ...first, sinceMs, proxies: nodes.size },
      nodes: [...nodes].sort().slice(0, maxNodes),
    }));
}
