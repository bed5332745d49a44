// The files of keys as they are named and change: what is believed, what is said, and what is waited for.
import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createKeyFiles } from '../../../src/control/key-files.ts';
import { nextWorld } from '../../../src/model/next-world.ts';
import { silentLogger } from '../../../src/util/log.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { objectSnapshot } from '../../support/objects.ts';

const pair = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const set = (kid: string, of = pair().publicKey): string =>
  JSON.stringify({ keys: [{ ...of.export({ format: 'jwk' }), kid, x5c: 'more' }] });
const [one, two] = [set('one'), set('two')];
const secret = JSON.stringify({ keys: [{ ...pair().privateKey.export({ format: 'jwk' }), kid: 'one' }] });

function rig(content: Map<string, string | Promise<string>>) {
  const clock = createFakeClock();
  const files = createKeyFiles(
    {
      ...{ clock, log: silentLogger },
      files: {
        fingerprint: async (paths) => paths.map((path) => String(content.get(path))).join(),
        read: async (path) => (await content.get(path)) ?? Promise.reject(new Error(`[CH1252] ${path} cannot be read`)),
      },
    },
    2000,
  );
  let told = 0;
  files.onChange(() => {
    told++;
  });
  const world = (...paths: readonly string[]) =>
    nextWorld(undefined, {
      registries: [],
      objects: [
        objectSnapshot(
          Object.fromEntries(
            paths.map((file, index) => [
              `${index}.yaml`,
              JSON.stringify({
                ...{ apiVersion: 'chancery/v1', kind: 'Authorization', metadata: { name: `a${index}` } },
                spec: { service: `s${index}`, jwt: [{ issuer: 'a', audiences: ['b'], jwks: { file } }], deny: [{}] },
              }),
            ]),
          ),
        ),
      ],
      keySets: files.keySets(),
    });
  const keys = (...paths: readonly string[]) =>
    [...world(...paths).authorizations.values()].map(([first]) =>
      (JSON.parse(first?.issuers?.[0]?.keys || '{"keys":[]}') as { keys: { kid: string }[] }).keys.map(
        ({ kid }) => kid,
      ),
    );
  const run = new AbortController();
  void files.run(run.signal);
  return {
    ...{ clock, files, world, keys },
    follow: (...paths: readonly string[]) => files.follow(world(...paths).authorizations),
    told: () => told,
    problems: () => files.problems().map(({ code, message, path, at }) => `${code} ${at.object} ${path} ${message}`),
  };
}

describe('files of keys', () => {
  it('are waited for when they are named first, and put where they are named', async () => {
    const { follow, keys, told, problems } = rig(
      new Map([
        ['/one', one],
        ['/two', two],
      ]),
    );
    expect(keys('/one')).toEqual([[]]);
    await follow('/one', '/two', '/one');
    expect(follow('/one', '/two', '/one')).toBeUndefined();
    expect(keys('/one', '/two', '/one')).toEqual([['one'], ['two'], ['one']]);
    expect([told(), problems()]).toEqual([2, []]);
  });

  it('are read again when they change, and the same World comes of the same keys', async () => {
    const content = new Map([['/one', one]]);
    const { clock, files, follow, keys, told } = rig(content);
    await follow('/one');
    const before = files.keySets();
    content.set('/one', `${one}\n`);
    await clock.advanceAsync(2000);
    expect([files.keySets() === before, told()]).toEqual([true, 1]);
    content.set('/one', two);
    await clock.advanceAsync(2000);
    expect([keys('/one'), told()]).toEqual([[['two']], 2]);
  });

  it.each([
    ['{"keys":[]}', '/one must have 1 to 32 keys'],
    ['{"keys":[', '/one must be a JSON Web Key Set: {"keys": [...]}'],
    [secret, '/one must have public keys only, and key 0 is a secret, which must be replaced now'],
    [undefined, '/one cannot be read'],
  ])('T17: keep what was good while what stands there cannot be used: %#', async (text, fault) => {
    const content = new Map<string, string>([['/one', one]]);
    const { clock, follow, keys, problems } = rig(content);
    await follow('/one');
    if (text === undefined) content.delete('/one');
    else content.set('/one', text);
    await clock.advanceAsync(2000);
    expect([keys('/one'), problems()]).toEqual([[['one']], []]);
    await clock.advanceAsync(2000);
    const problem = `CH1252 Authorization default/a0 spec.jwt[0].jwks.file ${fault}: its former keys are believed`;
    expect([keys('/one'), problems()]).toEqual([[['one']], [problem]]);
    content.set('/one', two);
    await clock.advanceAsync(2000);
    expect([keys('/one'), problems()]).toEqual([[['two']], []]);
  });

  it('T17: believe nobody while they never were good, and say so at every object that names them', async () => {
    const content = new Map([['/one', secret]]);
    const { clock, follow, keys, problems } = rig(content);
    await follow('/one', '/one');
    expect(keys('/one', '/one')).toEqual([[], []]);
    expect(problems()).toEqual([
      expect.stringMatching(/^CH1252 \S+ default\/a0 .* no token of its issuer is believed$/),
      expect.stringMatching(/^CH1252 \S+ default\/a1 /),
    ]);
    content.set('/one', one);
    await clock.advanceAsync(2000);
    expect([keys('/one', '/one'), problems()]).toEqual([[['one'], ['one']], []]);
  });

  it('T17: are forgotten when nothing names them', async () => {
    const content = new Map([['/one', one]]);
    const { follow, keys } = rig(content);
    await follow('/one');
    expect(follow()).toBeUndefined();
    content.set('/one', secret);
    expect(keys('/one')).toEqual([[]]);
    await follow('/one');
    expect(keys('/one')).toEqual([[]]);
  });

  it('on a disk that does not answer are waited for only so long, and taken when it does', async () => {
    const late = Promise.withResolvers<string>();
    const { clock, follow, keys } = rig(new Map<string, string | Promise<string>>([['/one', late.promise]]));
    let done = false;
    const first = follow('/one')?.then(() => {
      done = true;
    });
    await clock.advanceAsync(1999);
    expect(done).toBe(false);
    await clock.advanceAsync(1);
    await first;
    expect([follow('/one'), keys('/one')]).toEqual([undefined, [[]]]);
    late.resolve(one);
    await clock.settle();
    expect(keys('/one')).toEqual([['one']]);
  });
});
