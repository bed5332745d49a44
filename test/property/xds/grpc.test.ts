// Whatever a gRPC client and the world do, in any order: no cluster is deleted under its routes, and it ends with its view.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { shortNames } from '../../../src/resources/type-urls.ts';
import { propertyParameters } from '../../support/property-runs.ts';
import { createGrpcClient } from './grpc-client.ts';
import { bad, bodyOf, type Mesh, resourcesOf } from './mesh.ts';
import { command, type Played, play } from './play.ts';

/** Proxyless: no secrets, no TCP, endpoints by EDS. */
function proxyless(mesh: Mesh): Mesh {
  const listeners = Object.entries(mesh.listeners).map(
    ([name, one]) => [name, { ...one, tcp: '', secret: '' }] as const,
  );
  const clusters = Object.entries(mesh.clusters).map(
    ([name, { eds }]) => [name, { eds: eds === '' ? name : eds, secret: '' }] as const,
  );
  return { ...mesh, listeners: Object.fromEntries(listeners), clusters: Object.fromEntries(clusters) };
}

type Given = readonly ['bad' | 'all' | 'none', Parameters<typeof play>[1]];

function run([quotes, commands]: Given): Played {
  const client = createGrpcClient(quotes);
  return play(
    {
      ...{ variant: 'sotw', aggregated: true, legacyWildcard: false, client, exact: quotes === 'bad' },
      make: (mesh) => resourcesOf(proxyless(mesh)),
      expected(resources) {
        const wanted = new Map<string, string>();
        // What a refusal keeps from the client depends on it: only the whole is compared.
        if (resources.some((item) => bodyOf(item).content === bad)) return wanted;
        const named = new Set([...client.open].map((name) => `LDS ${name}`));
        for (let size = -1; size !== named.size; ) {
          size = named.size;
          for (const item of resources) {
            const key = `${shortNames[item.type]} ${item.name}`;
            if (!named.has(key)) continue;
            wanted.set(key, item.version);
            for (const dep of item.deps) named.add(`${shortNames[dep.type]} ${dep.name}`);
          }
        }
        return wanted;
      },
    },
    commands,
  );
}

it('a gRPC client loses no cluster under its routes and ends with its view', { timeout: 600_000 }, () => {
  const given: fc.Arbitrary<Given> = fc.tuple(
    fc.constantFrom('bad', 'all', 'none'),
    fc.array(command, { maxLength: 30, size: 'max' }),
  );
  fc.assert(
    fc.property(given, (one) => {
      expect(run(one).messages).toBeGreaterThanOrEqual(0);
    }),
    propertyParameters(50),
  );
});
