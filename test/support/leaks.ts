// Asserts at the end of a `describe` that nothing it opened is still open: timers, sockets, servers, watchers, processes.
// Only kinds of handle that hold a process open are counted; what is unref'd is not.
import { afterAll, beforeAll, expect } from 'vitest';
import { eventually } from './eventually.ts';
import { runningProcesses } from './process.ts';

// fetch keeps idle connections for a few seconds, and vitest has timers of its own; the deadline lets both go away.
const WATCHED = ['Timeout', 'TCPSocketWrap', 'TCPServerWrap', 'FSEventWrap', 'UDPWrap', 'ProcessWrap'];

function openHandles(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo())
    if (WATCHED.includes(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

/** Call inside a `describe`, before its own hooks: they run after these at the start and before these at the end. */
export function assertNoLeaks({ deadlineMs = 8000 }: { readonly deadlineMs?: number } = {}): void {
  let handles = new Map<string, number>();
  let processes = new Set<number>();
  beforeAll(() => {
    handles = openHandles();
    processes = new Set(runningProcesses().map(({ pid }) => pid));
  });
  afterAll(async () => {
    const left = (): string[] => [
      ...runningProcesses()
        .filter(({ pid }) => !processes.has(pid))
        .map(({ name, pid }) => `process ${name} (${pid})`),
      // One timer is the poll's own.
      ...[...openHandles()]
        .map(([kind, count]) => [kind, count - (handles.get(kind) ?? 0) - (kind === 'Timeout' ? 1 : 0)] as const)
        .filter(([, more]) => more > 0)
        .map(([kind, more]) => `${more} x ${kind}`),
    ];
    await eventually(() => left().length === 0, { deadlineMs }).catch(() => undefined);
    expect(left(), 'still open at the end').toEqual([]);
  }, deadlineMs + 2000);
}
