// What the demo tells its registry.
import { describe, expect, it } from 'vitest';
import { createRegistrations } from '../../../src/demo/registrations.ts';
import type { Client } from '../../../src/demo/request.ts';

const api = { service: 'api', version: 'v2', instance: 'api-3', port: 4000, close: async () => {} };

function fixture(status = 200) {
  const calls: [string, unknown][] = [];
  const answer = { status, body: 'no leader', json: {} };
  const client: Client = {
    get: async () => answer,
    put: async (_port, path, body) => {
      calls.push([path, body]);
      return answer;
    },
    post: async () => answer,
    close: () => {},
  };
  return { calls, registrations: createRegistrations(client, 8500) };
}

describe('createRegistrations', () => {
  it('registers an instance and the sidecar before it at once', async () => {
    const { calls, registrations } = fixture();
    await registrations.register(api, 5000);
    expect(calls).toEqual([
      [
        '/v1/agent/service/register',
        {
          Name: 'api',
          ID: 'api-3',
          Address: '127.0.0.1',
          Port: 4000,
          Meta: { version: 'v2' },
          Check: { CheckID: 'service:api-3', TTL: '24h', Status: 'passing' },
          Connect: { SidecarService: { Port: 5000 } },
        },
      ],
    ]);
  });

  it('fails and passes the check of an instance, and takes it out', async () => {
    const { calls, registrations } = fixture();
    await registrations.setHealth('api-3', 'critical');
    await registrations.setHealth('api-3', 'passing');
    await registrations.deregister('api-3');
    expect(calls.map(([path]) => path)).toEqual([
      '/v1/agent/check/fail/service:api-3',
      '/v1/agent/check/pass/service:api-3',
      '/v1/agent/service/deregister/api-3',
    ]);
  });

  it('fails when the registry does', async () => {
    await expect(fixture(500).registrations.register(api, 5000)).rejects.toMatchObject({
      code: 'CH1611',
      message: expect.stringContaining('no leader'),
    });
  });
});
