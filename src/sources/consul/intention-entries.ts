// Entries of /v1/config/service-intentions into Intentions. Pure; it must not know objects of users or Envoy.
// Invariant: what cannot be read or said never lets anybody in: an allow is left out, a deny is widened, an entry that makes
// no sense closes its destination; each is a Problem that names the intention. Source: Consul docs, "Service intentions".
import type { IntentionEntry, IntentionSource, Intentions } from '../../model/intentions.ts';
import { createProblem, type Problem } from '../../model/problem.ts';
import type { Provenance } from '../../model/provenance.ts';
import { compareText } from '../../model/sharing.ts';
import { closedPlan, openPlan, type Permission, planOf } from './intention-plan.ts';
import {
  isRecord,
  type Json,
  optionalList,
  optionalRecord,
  optionalText,
  requiredText,
  ShapeError,
} from './json-reader.ts';

export interface IntentionContext {
  /** Name of the registry. */
  readonly source: string;
  readonly fallback: Intentions['fallback'];
  /** Consul Enterprise; absent: the default ones. */
  readonly namespace?: string;
  readonly partition?: string;
}

export interface ParsedIntentions {
  readonly intentions: Intentions;
  readonly problems: readonly Problem[];
}

/** Throws ShapeError when it cannot be told which destination an entry is for: then nothing of the answer is believed. */
export function parseIntentions(body: readonly unknown[], context: IntentionContext): ParsedIntentions {
  const problems: Problem[] = [];
  const entries = new Map<string, IntentionEntry>();
  for (const row of body) {
    if (!isRecord(row)) throw new ShapeError('an entry is not an object');
    const destination = requiredText(row, 'Name');
    const provenance = intention(context, '*', destination);
    const foreign = isHome(row, context)
      ? unnamed(destination)
      : 'its destination is of another namespace or partition';
    if (foreign !== undefined) {
      problems.push(createProblem('CH1262', provenance, foreign, { severity: 'warning' }));
      continue;
    }
    entries.set(destination.toLowerCase(), entryOf(row, { ...context, destination, provenance, problems }));
  }
  const sorted = new Map([...entries].sort(([a], [b]) => compareText(a, b)));
  return { intentions: { fallback: context.fallback, entries: sorted }, problems };
}

/** Of one source, which are compared with each other, and of one entry. More closes its destination. */
const maxPermissions = { source: 1_000, entry: 4_000 } as const;

interface Reading extends IntentionContext {
  readonly destination: string;
  readonly provenance: Provenance;
  readonly problems: Problem[];
}

function intention({ source }: IntentionContext, from: string, to: string): Provenance {
  return { source, file: '', line: 1, column: 1, object: `consul intention ${from} -> ${to}` };
}

function isHome(row: Json, { namespace = 'default', partition = 'default' }: IntentionContext): boolean {
  const home = (key: string, own: string): boolean => ['', own].includes(optionalText(row, key));
  return home('Namespace', namespace) && home('Partition', partition);
}

const entryKeys = keys(
  'Kind Name Namespace Partition Sources Meta Hash CreateIndex ModifyIndex JWT RaftIndex EnterpriseMeta',
);
const sourceKeys = keys(
  'Name Namespace Partition Peer SamenessGroup Action Permissions Precedence LegacyID Type Description LegacyMeta LegacyCreateTime LegacyUpdateTime',
);

function keys(text: string): ReadonlySet<string> {
  return new Set(text.split(' '));
}

/** Members that say something and that are not known here. */
function unknownKeys(row: Json, known: ReadonlySet<string>): string[] {
  const empty = (value: unknown): boolean =>
    value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0);
  return Object.entries(row).flatMap(([key, value]) => (known.has(key) || empty(value) ? [] : [key.slice(0, 80)]));
}

function entryOf(row: Json, reading: Reading): IntentionEntry {
  const { destination, provenance, problems } = reading;
  const closed = (code: 'CH1261' | 'CH1263', why: string): IntentionEntry => {
    problems.push(createProblem(code, provenance, why));
    return { destination, closed: true, refused: [], sources: [], provenance };
  };
  try {
    const unsaid = [...jwt(row), ...unknownKeys(row, entryKeys)];
    if (unsaid.length > 0)
      return closed('CH1263', `${unsaid.join(' and ')} cannot be asked here, so nobody may call "${destination}"`);
    const refused: string[] = [];
    const sources = new Map<string, IntentionSource>();
    const listed = optionalList(row, 'Sources');
    const counts = listed.map((source) => (isRecord(source) ? optionalList(source, 'Permissions').length : 0));
    if (counts.reduce((sum, count) => sum + count, 0) > maxPermissions.entry)
      throw new ShapeError(`there are more than ${maxPermissions.entry} permissions`);
    if (counts.some((count) => count > maxPermissions.source))
      throw new ShapeError(`a source has more than ${maxPermissions.source} permissions`);
    for (const source of listed) {
      if (!isRecord(source)) throw new ShapeError('a source is not an object');
      const made = sourceOf(source, reading, refused);
      if (made === undefined) continue;
      if (sources.has(made.name)) throw new ShapeError(`source "${made.name}" is there twice`);
      sources.set(made.name, made);
    }
    return { destination, closed: false, refused, sources: [...sources.values()], provenance };
  } catch (error) {
    if (error instanceof ShapeError) return closed('CH1261', `${error.message}, so nobody may call "${destination}"`);
    throw error;
  }
}

/** Undefined: it is not about callers of this mesh, or what it allows cannot be said. */
function sourceOf(source: Json, reading: Reading, refused: string[]): IntentionSource | undefined {
  const name = requiredText(source, 'Name');
  const provenance = intention(reading, name, reading.destination);
  const planned = plannedOf(source, reading.fallback);
  const why = foreign(source, name, reading);
  if (why !== undefined) {
    // Callers of a peer have no identity of this mesh, and are refused without a word.
    const denies = planned.plan !== openPlan && optionalText(source, 'Peer') === '';
    if (denies) refused.push(name);
    const message = `${why}; ${denies ? `every "${name}" is refused` : 'nobody is let in by it'}`;
    reading.problems.push(createProblem('CH1262', provenance, message, { severity: 'warning' }));
    return undefined;
  }
  for (const { index, why: reason } of planned.stricter)
    reading.problems.push(
      createProblem('CH1263', provenance, reason, { severity: 'warning', path: `Permissions[${index}]` }),
    );
  return { name, plan: planned.plan, provenance };
}

function foreign(source: Json, name: string, context: IntentionContext): string | undefined {
  const unknown = unknownKeys(source, sourceKeys);
  if (unknown.length > 0) return `${unknown.join(' and ')} cannot be told here`;
  if (optionalText(source, 'Peer') !== '') return 'callers of a peer are not of this mesh';
  if (optionalText(source, 'SamenessGroup') !== '') return 'sameness groups are not known here';
  if (!isHome(source, context)) return 'callers of another namespace or partition cannot be told here';
  return unnamed(name);
}

function unnamed(name: string): string | undefined {
  return name === '*' || /^[A-Za-z0-9._-]+$/.test(name) ? undefined : 'no certificate bears such a name';
}

function plannedOf(source: Json, fallback: Intentions['fallback']): ReturnType<typeof planOf> {
  const permissions = optionalList(source, 'Permissions');
  const action = optionalText(source, 'Action');
  if (permissions.length === 0) return { plan: actionOf(action) === 'allow' ? openPlan : closedPlan, stricter: [] };
  if (action !== '') throw new ShapeError('a source has both Action and Permissions');
  return planOf(permissions.map(permissionOf), fallback);
}

function actionOf(text: string): 'allow' | 'deny' {
  if (text !== 'allow' && text !== 'deny')
    throw new ShapeError(`Action "${text.slice(0, 80)}" is neither allow nor deny`);
  return text;
}

const permissionKeys = keys('Action HTTP JWT');
const httpKeys = keys('PathExact PathPrefix PathRegex Header Methods');

function permissionOf(value: unknown): Permission {
  if (!isRecord(value)) throw new ShapeError('a permission is not an object');
  const action = actionOf(optionalText(value, 'Action'));
  const http = optionalRecord(value, 'HTTP');
  const exact = optionalText(http, 'PathExact');
  const start = optionalText(http, 'PathPrefix');
  const regex = optionalText(http, 'PathRegex');
  if ([exact, start, regex].filter((text) => text !== '').length > 1)
    throw new ShapeError('a permission has two paths');
  for (const path of [exact, start])
    if (path !== '' && !path.startsWith('/')) throw new ShapeError('a path does not begin with "/"');
  const methods = optionalList(http, 'Methods').map((method) => {
    if (typeof method !== 'string' || method === '') throw new ShapeError('a method is not a string');
    return method.toUpperCase();
  });
  const read = optionalList(http, 'Header').map(headerOf);
  return {
    action,
    methods,
    headers: read.flatMap((one) => (typeof one === 'string' ? [] : one)),
    unsaid: [
      ...jwt(value),
      ...unknownKeys(value, permissionKeys),
      ...(regex === '' ? [] : ['PathRegex']),
      ...read.flatMap((one) => (typeof one === 'string' ? one : [])),
      ...unknownKeys(http, httpKeys),
    ],
    ...(exact === '' ? {} : { path: { exact } }),
    ...(start === '' ? {} : { path: { startsWith: start } }),
  };
}

const exactHeader = keys('Name Exact');

/** Or what it is that cannot be asked. */
function headerOf(value: unknown): Permission['headers'][number] | string {
  if (!isRecord(value)) throw new ShapeError('a header is not an object');
  const name = requiredText(value, 'Name').toLowerCase();
  const exact = optionalText(value, 'Exact');
  const more = Object.entries(value).some(([key, member]) => !exactHeader.has(key) && Boolean(member));
  const plain = exact !== '' && !more && name !== 'host' && /^[a-z0-9_-]+$/.test(name);
  return plain ? { name, exact } : `this form of header "${name.slice(0, 80)}"`;
}

function jwt(row: Json): string[] {
  return Object.keys(optionalRecord(row, 'JWT')).length === 0 ? [] : ['JWT'];
}
