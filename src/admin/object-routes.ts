// Objects over the API: read, applied, deleted. Control validates and stores; here are only parameters and statuses.
// Invariant: before the first sync nothing is read or written, for what is there is not known yet.
import { z } from 'zod';
import type { ApplyResult, Control } from '../control/contract.ts';
import { kindNamed, kinds } from '../model/kinds.ts';
import type { LogFields } from '../util/log.ts';
import { Fault } from './fault.ts';
import { changed, jsonReply, type Reply, type RouteLine, read } from './route.ts';

const text = z.string().max(1024);
const flag = z.enum(['true', 'false']).default('false');
const objectQuery = z.strictObject({
  kind: text.optional(),
  name: text.optional(),
  namespace: text.optional(),
});
const applyQuery = z.strictObject({ file: text.default('request'), atomic: flag, dryRun: flag });
const objectParams = z.strictObject({ kind: text, name: text });
const removeQuery = z.strictObject({ namespace: text.default('default') });

/** An object with an error may still be stored (a route to a service yet to come); one that was not stored was refused. */
function anyRefused({ objects, problems }: ApplyResult): boolean {
  const stored = new Set(objects.flatMap(({ object, result }) => (result === 'refused' ? [] : [object])));
  return (
    objects.some(({ result }) => result === 'refused') ||
    problems.some(({ severity, at }) => severity === 'error' && !stored.has(at.object))
  );
}

/** For the audit log: which objects, as many as fit in a line. */
function about({ objects }: ApplyResult, dryRun: boolean): LogFields {
  const shown = objects.slice(0, 50).map(({ object, result }) => `${object} ${result}`);
  return {
    objects: shown,
    ...(objects.length > 50 ? { more: objects.length - 50 } : {}),
    ...(dryRun ? { dryRun } : {}),
  };
}

export function createObjectRoutes(control: Control): readonly RouteLine[] {
  const synced = (): void => {
    if (control.world() !== undefined) return;
    throw new Fault(503, 'CH1706', `waiting for ${control.status().waitingFor.join(', ')}`);
  };
  const apply = async (request: { query: unknown; body: string }): Promise<Reply> => {
    synced();
    const { file, atomic, dryRun } = read(applyQuery, request.query);
    if (request.body.trim() === '') throw new Fault(400, 'CH1704', 'the body is empty');
    const result = await control.apply(request.body, { file, atomic: atomic === 'true', dryRun: dryRun === 'true' });
    if (anyRefused(result)) throw new Fault(422, 'CH1615', 'objects were refused', { ...result });
    return changed(about(result, dryRun === 'true'), result);
  };
  const objectsBody = {
    contentTypes: ['application/yaml', 'application/json'],
    description: 'Objects: one or more YAML documents, or one JSON object',
  };

  return [
    {
      method: 'GET',
      path: '/api/v1/objects',
      summary: 'Objects, by kind, name and namespace',
      access: 'reading',
      query: objectQuery,
      handle: ({ query }) => {
        synced();
        const { kind, name, namespace } = read(objectQuery, query);
        const wanted = kind === undefined ? undefined : kindMeant(kind);
        return jsonReply(
          control
            .objects()
            .filter(
              (object) =>
                (wanted === undefined || object.kind === wanted) &&
                (name === undefined || object.name === name) &&
                (namespace === undefined || object.namespace === namespace),
            ),
        );
      },
    },
    {
      method: 'POST',
      path: '/api/v1/objects',
      summary: 'Apply objects',
      access: 'editing',
      query: applyQuery,
      body: objectsBody,
      handle: apply,
    },
    {
      method: 'PUT',
      path: '/api/v1/objects',
      summary: 'Apply objects',
      access: 'editing',
      query: applyQuery,
      body: objectsBody,
      handle: apply,
    },
    {
      method: 'DELETE',
      path: '/api/v1/objects/:kind/:name',
      summary: 'Delete one object',
      access: 'editing',
      params: objectParams,
      query: removeQuery,
      handle: async ({ params, query }) => {
        synced();
        const { kind, name } = read(objectParams, params);
        const { namespace } = read(removeQuery, query);
        const wanted = kindMeant(kind);
        const known = control
          .objects()
          .find((object) => object.kind === wanted && object.name === name && object.namespace === namespace);
        if (known === undefined) throw new Fault(404, 'CH1616', `${kind} ${namespace}/${name} is not there`);
        const result = await control.remove(known.kind, namespace, name);
        if (anyRefused(result)) throw new Fault(409, 'CH1615', 'the object was not deleted', { ...result });
        return changed(about(result, false), result);
      },
    },
  ];
}

function kindMeant(text: string): string {
  const kind = kindNamed(text);
  if (kind !== undefined) return kind;
  const known = [...new Set(kinds.map((row) => row.kind))].join(', ');
  throw new Fault(404, 'CH1725', `there is no kind "${text}"; there are ${known}`);
}
