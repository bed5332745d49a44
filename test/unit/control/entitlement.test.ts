// T1 and T2: of what its credential gives it, a proxy's claims choose.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { entitled } from '../../../src/control/entitlement.ts';
import type { ServiceId } from '../../../src/model/names.ts';
import type { Principal } from '../../../src/model/principal.ts';

const owner = (services: readonly string[], gateways: readonly string[]): Principal => ({
  id: 'spiffe://mesh.local/svc/web',
  services: services as readonly ServiceId[],
  gateways,
  notAfterMs: 1,
  credential: { kind: 'token', id: 'a' },
});
const web = 'web' as ServiceId;

describe('what a proxy may be', () => {
  it('is its one service, said or not', () => {
    expect(entitled(owner(['web'], []), {})).toEqual({ role: 'sidecar', service: 'web' });
    expect(entitled(owner(['web'], []), { service: web })).toEqual({ role: 'sidecar', service: 'web' });
    expect(entitled(owner(['web'], []), { role: 'sidecar' })).toEqual({ role: 'sidecar', service: 'web' });
  });

  it('is its one gateway, said or not', () => {
    expect(entitled(owner([], ['edge']), {})).toEqual({ role: 'gateway', gateway: 'edge' });
    expect(entitled(owner([], ['edge']), { role: 'gateway', gateway: 'edge' })).toEqual({
      role: 'gateway',
      gateway: 'edge',
    });
  });

  it.each([
    ['T2: another service', owner(['web'], []), { service: 'api' as ServiceId }, 'service "api"'],
    ['T2: another gateway', owner([], ['edge']), { role: 'gateway', gateway: 'inner' }, 'gateway "inner"'],
    ['T2: a gateway, with services only', owner(['web'], []), { role: 'gateway', gateway: 'web' }, 'gateway "web"'],
    ['T2: a sidecar, with gateways only', owner([], ['web']), { role: 'sidecar', service: web }, 'service "web"'],
    ['one of several, not saying which', owner(['web', 'api'], []), {}, 'say which service'],
    ['T3: anything, with nothing', owner([], []), {}, 'no gateway'],
  ] as const)('is not %s', (_, principal, wish, words) => {
    const answer = entitled(principal, wish);
    expect(answer).toMatchObject({ refused: 'permission-denied', message: expect.stringContaining(words) });
  });

  it('T1: is never more than it owns, whatever it claims', () => {
    const name = fc.constantFrom('web', 'api', 'edge', '', '__proto__');
    fc.assert(
      fc.property(
        fc.array(name),
        fc.array(name),
        fc.option(name, { nil: undefined }),
        fc.option(name, { nil: undefined }),
        fc.constantFrom('gateway' as const, 'sidecar' as const, undefined),
        (services, gateways, service, gateway, role) => {
          const wish = {
            ...(role === undefined ? {} : { role }),
            ...(gateway === undefined ? {} : { gateway }),
            ...(service === undefined ? {} : { service: service as ServiceId }),
          };
          const answer = entitled(owner(services, gateways), wish);
          if ('refused' in answer) return true;
          return answer.role === 'sidecar'
            ? (services as readonly string[]).includes(answer.service)
            : (gateways as readonly string[]).includes(answer.gateway);
        },
      ),
    );
  });
});
