// How the demo asks for join tokens, and what it hands on to whoever redeems them.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCredentials, type JoinRequest } from '../../../src/demo/credentials.ts';
import type { Client } from '../../../src/demo/request.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';

describe('createCredentials', () => {
  let dir: TempDir;
  beforeEach(() => {
    dir = createTempDir('demo-credentials');
    writeFileSync(join(dir.path, 'token'), 'secret\n');
  });
  afterEach(() => dir.remove());

  function fixture(status = 201) {
    const asked: unknown[] = [];
    const redeemed: [string, JoinRequest][] = [];
    const none = { status: 0, body: '', json: {} };
    const client: Client = {
      get: async () => none,
      put: async () => none,
      post: async (...request) => {
        asked.push(request);
        return { status, body: '{"token":"cj1.x"}', json: {} };
      },
      close: () => {},
    };
    const credentials = createCredentials(
      {
        client,
        join: async (node, request) => {
          redeemed.push([node, request]);
          const certificate = request.certificate ? { certificate: { chain: 'chain', key: 'key' } } : {};
          return { bootstrap: { xdsToken: { tokenFile: `${request.folder}/token.json` } }, ...certificate };
        },
      },
      { directory: join(dir.path, 'credentials'), http: 8080, xds: 18_000, tokenPath: join(dir.path, 'token') },
    );
    return { asked, redeemed, credentials };
  }
  const xds = { address: '127.0.0.1', port: 18_000 };
  const path = '/api/v1/trust/join-tokens';
  const authorization = { authorization: 'Bearer secret' };

  it('gives a node a token for it alone, in a folder of its own', async () => {
    const { asked, redeemed, credentials } = fixture();
    const folder = join(dir.path, 'credentials', 'edge-1');
    expect(await credentials.forNode('edge-1', { gateways: ['edge'] })).toEqual({
      xdsToken: { tokenFile: join(folder, 'token.json') },
    });
    expect(asked).toEqual([[8080, path, { gateways: ['edge'], node: 'edge-1' }, authorization]]);
    expect(redeemed).toEqual([['edge-1', { token: 'cj1.x', xds, folder, certificate: false }]]);
  });

  it('gets a certificate of a service, which is for no node', async () => {
    const { asked, redeemed, credentials } = fixture();
    expect(await credentials.certificateOf('web')).toEqual({ chain: 'chain', key: 'key' });
    expect(asked).toEqual([[8080, path, { services: ['web'] }, authorization]]);
    expect(redeemed).toMatchObject([['web', { certificate: true }]]);
  });

  it('says nothing of what was answered where no token is made', async () => {
    const { redeemed, credentials } = fixture(401);
    await expect(credentials.forNode('web-1', { services: ['web'] })).rejects.toMatchObject({
      code: 'CH1611',
      message: expect.not.stringContaining('cj1'),
    });
    expect(redeemed).toEqual([]);
  });
});
