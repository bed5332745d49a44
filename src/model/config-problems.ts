// Mistakes in the configuration as Problems: what does not fit the schema, and what the schema alone cannot say.
// It changes nothing. Invariant: a mistake in the file has its line and column; one from elsewhere names the variable or flag.
import type { z } from 'zod';
import { isLoopback } from '../util/host-port.ts';
import { didYouMean } from '../util/near-miss.ts';
import {
  type Config,
  configKeys,
  configSchema,
  environmentName,
  flagName,
  isSecretKey,
  objectsName,
  optionKeys,
  registryName,
} from './config.ts';
import { surroundings } from './config-environment.ts';
import type { ConfigTree } from './config-file.ts';
import { type Layers, nowhere, type Tree } from './config-tree.ts';
import { createProblem, type Problem } from './problem.ts';
import type { Provenance } from './provenance.ts';
import { article, shown, size, valueAt } from './schema-problems.ts';

const missingHint = `Set CONSUL_HTTP_ADDR or ETCDCTL_ENDPOINTS, or write chancery.yaml, for example:
  registries:
    - {kind: consul, address: "http://127.0.0.1:8500"}
  objects:
    - {kind: directory, path: ./objects}
`;

export function issueProblems(
  issues: readonly z.core.$ZodIssue[],
  layers: Layers,
  file: ConfigTree | undefined,
): Problem[] {
  return issues.flatMap((issue) => {
    const where = (path: readonly PropertyKey[]): Provenance => {
      const origin = layers.origins.get(path.join('.'));
      return file !== undefined && (origin === undefined || origin.includes(':')) ? file.at(path) : nowhere;
    };
    const dotted = issue.path.join('.');
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => {
        const path = [...issue.path, key];
        const hint = `Remove it or correct its spelling.${didYouMean(key, knownKeys(issue.path, layers.tree))}`;
        return createProblem('CH1603', where(path), `key "${path.join('.')}" is not known`, { path: dotted, hint });
      });
    const origin = layers.origins.get(dotted);
    const from = origin === undefined || origin.includes(':') ? '' : ` (from ${origin})`;
    const message = `"${dotted}" ${faultText(issue, valueAt(layers.tree, issue.path))}${from}`;
    return [createProblem('CH1604', where(issue.path), message, { path: dotted })];
  });
}

/** What is wrong with a value, in words that need no knowledge of a schema library. A secret is not repeated. */
function faultText(issue: z.core.$ZodIssue, given: unknown): string {
  const not = isSecretKey(String(issue.path.at(-1))) ? '' : `, not ${shown(given)}`;
  if (given === undefined && issue.code.startsWith('invalid_')) return 'is missing';
  if (issue.code === 'invalid_type' && issue.message.startsWith('Invalid input'))
    return `must be ${article(issue.expected)}${not}`;
  if (issue.code === 'invalid_value') return `must be one of ${issue.values.map(String).join(', ')}${not}`;
  if (issue.code === 'invalid_union' && 'options' in issue && Array.isArray(issue.options))
    return `must be one of ${issue.options.map(String).join(', ')}${not}`;
  if (issue.code === 'too_big') return `${size(issue.origin, 'at most', issue.maximum)}${not}`;
  if (issue.code === 'too_small') return `${size(issue.origin, 'at least', issue.minimum)}${not}`;
  return `does not fit: ${issue.message}`;
}

/** Keys allowed in the mapping at `path`, for "did you mean". */
function knownKeys(path: readonly PropertyKey[], tree: Tree): readonly string[] {
  const [section, index] = path;
  if (section === undefined) return Object.keys(configSchema.shape);
  if (section === 'registries' || section === 'objects') {
    const item = (tree[section] as readonly Tree[] | undefined)?.[Number(index)];
    return ['kind', ...optionKeys(section, String(item?.['kind'])).flatMap((key) => key.path)];
  }
  const below = configKeys().filter((key) => path.every((step, depth) => key.path[depth] === step));
  return below.flatMap((key) => key.path[path.length] ?? []);
}

/** What the shape alone cannot say. */
export function meaningProblems(config: Config, layers: Layers, file: ConfigTree | undefined): Problem[] {
  const problems: Problem[] = [];
  const at = (path: readonly PropertyKey[]): Provenance =>
    file !== undefined && layers.origins.get(path.join('.'))?.includes(':') ? file.at(path) : nowhere;
  // Objects that someone configured may bring endpoints of their own; a folder that happens to be there is no intent.
  if (
    config.registries === undefined &&
    (config.objects === undefined || layers.origins.get('objects.0.kind') === surroundings)
  )
    problems.push(createProblem('CH1605', nowhere, 'no registry is configured', { hint: missingHint }));
  // xDS is in plaintext only where that was said, whatever its address.
  const { address, insecure, tls } = config.http;
  if (!insecure && tls === undefined && !isLoopback(address))
    problems.push(
      createProblem('CH1613', at(['http', 'address']), `http.address "${address}" is not loopback and TLS is not set`, {
        path: 'http.address',
        hint: `Set http.tls, use 127.0.0.1, or accept plaintext knowingly with ${environmentName(['http', 'insecure'])}=true or --${flagName(['http', 'insecure'])}.`,
      }),
    );
  if (config.xds.insecure && config.trust !== undefined)
    problems.push(
      createProblem(
        'CH1859',
        at(['xds', 'insecure']),
        `"trust" is configured, and xds.insecure (${layers.origins.get('xds.insecure')}) asks for a control plane without it`,
        { path: 'xds.insecure' },
      ),
    );
  if (config.http.tls?.issuer !== undefined && config.trust === undefined)
    problems.push(
      createProblem(
        'CH1604',
        at(['http', 'tls', 'issuer']),
        '"http.tls.issuer" needs trust: no authority is configured',
        {
          path: 'http.tls.issuer',
          hint: 'Write `trust: {}`, or name http.tls.cert and http.tls.key.',
        },
      ),
    );
  const names = new Map<string, string>();
  const check = (name: string, path: string): void => {
    const other = names.get(name);
    if (other !== undefined)
      problems.push(
        createProblem('CH1604', at(path.split('.')), `"${path}" and "${other}" are both named "${name}"`, {
          path,
          hint: 'Give each its own `name`.',
        }),
      );
    names.set(name, path);
  };
  for (const [index, registry] of (config.registries ?? []).entries())
    check(registryName(registry), `registries.${index}`);
  for (const [index, objects] of (config.objects ?? []).entries()) check(objectsName(objects), `objects.${index}`);
  return problems;
}
