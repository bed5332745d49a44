// The open streams and what each was opened as, found by stream, and by the service that a sidecar stands beside.
// It must not know Worlds or what is published. Invariant: a stream is listed under its service as its profile says now.
import type { ProxyProfile } from '../translate/profile.ts';
import type { ClientInfo } from '../xds/contract.ts';
import type { OpenView } from './views.ts';

export interface OpenClient {
  readonly client: ClientInfo;
  readonly open: OpenView;
}

export interface Clients {
  add(one: OpenClient): void;
  remove(streamId: number): void;
  get(streamId: number): OpenClient | undefined;
  all(): Iterable<OpenClient>;
  /** Sidecars of the service: what their own instances are is in their profiles. */
  sidecarsOf(service: string): Iterable<OpenClient>;
  /** Follows the client to another profile. */
  move(one: OpenClient, profile: ProxyProfile): void;
}

const nobody: ReadonlySet<OpenClient> = new Set();

function serviceOf({ open: { profile } }: OpenClient): string | undefined {
  return profile.role === 'sidecar' ? profile.service : undefined;
}

export function createClients(): Clients {
  const byStream = new Map<number, OpenClient>();
  const byService = new Map<string, Set<OpenClient>>();

  function list(one: OpenClient): void {
    const service = serviceOf(one);
    if (service === undefined) return;
    const known = byService.get(service);
    if (known === undefined) byService.set(service, new Set([one]));
    else known.add(one);
  }

  function unlist(one: OpenClient): void {
    const service = serviceOf(one);
    const listed = service === undefined ? undefined : byService.get(service);
    if (service === undefined || listed === undefined) return;
    listed.delete(one);
    if (listed.size === 0) byService.delete(service);
  }

  return {
    add(one) {
      byStream.set(one.client.streamId, one);
      list(one);
    },
    remove(streamId) {
      const one = byStream.get(streamId);
      if (one === undefined) return;
      byStream.delete(streamId);
      unlist(one);
    },
    get: (streamId) => byStream.get(streamId),
    all: () => byStream.values(),
    sidecarsOf: (service) => byService.get(service) ?? nobody,
    move(one, profile) {
      unlist(one);
      one.open.move(profile);
      list(one);
    },
  };
}
