// What the Envoy properties play: an Envoy's habits, the commands, and what it is to hold in the end.
import fc from 'fast-check';
import type { Resource } from '../../../src/resources/resource.ts';
import { shortNames, typeUrls } from '../../../src/resources/type-urls.ts';
import { createEnvoyClient, type EnvoyHabits } from './envoy-client.ts';
import { bodyOf } from './mesh.ts';
import { type Command, command, type Played, play } from './play.ts';

const habits: fc.Arbitrary<Omit<EnvoyHabits, 'aggregated'>> = fc.record({
  explicit: fc.boolean(),
  strictSecrets: fc.boolean(),
  quotes: fc.constantFrom('bad', 'all', 'none'),
  applies: fc.constantFrom('before', 'good', 'none'),
});

/** What an Envoy holds when it holds everything: assignments are counted by the cluster that uses them. */
function expected(resources: readonly Resource[]): Map<string, string> {
  const wanted = new Map<string, string>();
  const assignments = new Map(
    resources.filter(({ type }) => type === typeUrls.endpoints).map(({ name, version }) => [name, version]),
  );
  for (const item of resources) {
    if (item.type === typeUrls.endpoints) continue;
    wanted.set(`${shortNames[item.type]} ${item.name}`, item.version);
    const { eds = '' } = bodyOf(item);
    const version = assignments.get(eds);
    if (item.type === typeUrls.cluster && version !== undefined) wanted.set(`EDS ${eds} of ${item.name}`, version);
  }
  return wanted;
}

export function run(
  variant: 'sotw' | 'delta',
  aggregated: boolean,
  given: readonly [Omit<EnvoyHabits, 'aggregated'>, readonly Command[]],
): Played {
  const client = createEnvoyClient(variant, { ...given[0], aggregated });
  return play(
    { variant, aggregated, legacyWildcard: true, client, exact: given[0].quotes === 'bad', expected },
    given[1],
  );
}

export const commands = fc.tuple(habits, fc.array(command, { maxLength: 30, size: 'max' }));
