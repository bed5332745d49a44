// The clients that poll, each with a view of its own: who asks for the first time is opened with the provider.
// It must not know HTTP. Invariants: polls that describe their node alike, from one address and with one credential, are one client; what all clients
// together make the server keep is bounded.
import type { Socket } from 'node:net';
import type { Principal } from '../../model/principal.ts';
import { typeUrls } from '../../resources/type-urls.ts';
import type { Clock } from '../../util/clock.ts';
import { contentHash } from '../../util/hash.ts';
import type { Logger } from '../../util/log.ts';
import type { ClientConfig, ClientInfo, ViewProvider, XdsEvent } from '../contract.ts';
import { bindingFault } from '../node-binding.ts';
import type { SecretRule } from '../secrets.ts';
import { createPollClient, type PollClient } from './poll-client.ts';
import { Refused, refusalStatus } from './refused.ts';
import type { RestRequest } from './rest-request.ts';

export interface PollClientsDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly provider: ViewProvider;
  readonly onEvent: (event: XdsEvent) => void;
  readonly nextStreamId: () => number;
  /** Undefined where nobody is asked who it is. */
  readonly secrets?: SecretRule | undefined;
}

export interface PollClients {
  /** The client of the node, as it describes itself now, and who it proved to be. Throws or rejects with Refused. */
  of(request: RestRequest, socket: Socket, principal: Principal | undefined): Promise<PollClient>;
  /** What each of the wanted clients asks for and has. */
  describe(wanted: (client: ClientInfo) => boolean): readonly ClientConfig[];
  /** Closes every client; none is opened any more. */
  stop(): void;
}

/** A client that does not poll for so long is gone. */
const silentMs = 60_000;
const maxClients = 10_000;
/** Characters of names that all clients ask for. */
const maxNameCharacters = 128 * 1024 * 1024;

export function createPollClients(deps: PollClientsDeps): PollClients {
  const { clock, log, provider } = deps;
  const clients = new Map<string, Promise<PollClient>>();
  const open = new Set<PollClient>();
  const room = { left: maxNameCharacters };
  let stopped = false;
  const ignoreEndpoints = provider.onEndpoints((list) => {
    const names = new Set(list);
    for (const client of open) client.changed(typeUrls.endpoints, names);
  });

  function of(
    { claims, nodeText }: RestRequest,
    socket: Socket,
    principal: Principal | undefined,
  ): Promise<PollClient> {
    const unbound = bindingFault(principal, claims);
    if (unbound !== undefined) throw new Refused(refusalStatus[unbound.refused], unbound.message);
    // Another credential may be entitled to other things: it gets a view of its own.
    const proved = principal === undefined ? '' : JSON.stringify([principal.id, principal.credential]);
    const key = contentHash(`${socket.remoteAddress}\n${proved}\n`, nodeText);
    const known = clients.get(key);
    if (known !== undefined) return known;
    if (clients.size >= maxClients) throw new Refused(503, 'too many clients poll');
    const info: ClientInfo = {
      ...claims,
      streamId: deps.nextStreamId(),
      peer: `${socket.remoteAddress}:${socket.remotePort}`,
      ...(principal === undefined ? {} : { principal }),
    };
    const made = create(key, info);
    clients.set(key, made);
    made.catch(() => clients.delete(key));
    return made;
  }

  async function create(key: string, info: ClientInfo): Promise<PollClient> {
    let client: PollClient | undefined;
    const opened = await provider.open(info, (changed) => {
      for (const type of new Set(changed.map((ref) => ref.type))) client?.changed(type);
    });
    if ('refused' in opened) {
      log.info('a poll was refused', { node: info.nodeId, reason: opened.refused, message: opened.message });
      throw new Refused(refusalStatus[opened.refused], opened.message);
    }
    if (stopped) {
      opened.close();
      throw new Refused(503, 'the server is stopping');
    }
    const made = createPollClient(
      {
        ...{ clock, silentMs, room, onEvent: deps.onEvent },
        withoutSecrets: deps.secrets?.denied(info.peer),
        onGone() {
          clients.delete(key);
          open.delete(made);
        },
      },
      { client: info, subscription: opened },
    );
    client = made;
    open.add(made);
    return made;
  }

  return {
    of,
    describe: (wanted) => [...open].filter(({ client }) => wanted(client)).map((one) => one.describe()),
    stop() {
      stopped = true;
      ignoreEndpoints();
      for (const client of [...open]) client.close('the server is stopping');
    },
  };
}
