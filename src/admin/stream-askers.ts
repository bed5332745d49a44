// Whose a token is that came with a gRPC stream: the gatekeeper's answer without HTTP.
// It must not know what is asked for. Invariant: a token that the HTTP API would not take is nobody's here.
import type { Asker } from '../model/access.ts';
import type { Credentials, Unknown } from '../model/principal.ts';
import { Fault } from './fault.ts';
import { createGatekeeper, type GatekeeperDeps } from './gatekeeper.ts';

export function createStreamAskers(deps: GatekeeperDeps): (credentials: Credentials) => Promise<Asker | Unknown> {
  const gatekeeper = createGatekeeper(deps, []);
  return async ({ authorization, address }) => {
    try {
      return (await gatekeeper.known({ authorization, address, host: undefined, origin: undefined })).asker;
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      const cause = error.status === 429 ? 'rate-limited' : 'unavailable';
      return { refused: 'unavailable', message: error.message, cause };
    }
  };
}
