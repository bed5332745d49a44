// The text of a file to the instances it lists. Pure.
// It must not read files. Invariant: a mistake costs the entry it is in, never its siblings; of a file that is no YAML
// nothing is given, and the caller keeps what it had.
import { isCollection, isMap, isNode, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml';
import type { Instance } from '../../model/instance.ts';
import {
  instanceListSchema,
  instanceOfRecord,
  instanceRecordSchema,
  type RecordFault,
  recordFaults,
} from '../../model/instance-record.ts';
import { createProblem, type Problem } from '../../model/problem.ts';
import type { Provenance } from '../../model/provenance.ts';

export interface ListedInstance {
  readonly service: string;
  readonly instance: Instance;
  readonly at: Provenance;
}

export interface InstanceList {
  /** Services the file names, also those without instances. */
  readonly services: readonly string[];
  readonly instances: readonly ListedInstance[];
  /** Ids of entries that are there but cannot be read, as `service/id`: their last good instances stay. */
  readonly broken: readonly string[];
  readonly problems: readonly Problem[];
}

export interface ListText {
  readonly source: string;
  readonly file: string;
  readonly text: string;
}

/** What the file lists; undefined, with the reason, when it is empty or no YAML. */
export function parseInstanceList(list: ListText): InstanceList | { readonly fault: Problem } {
  const lines = new LineCounter();
  const place = (offset: number, object = ''): Provenance => {
    const { line, col } = lines.linePos(offset);
    return { source: list.source, file: list.file, line: Math.max(1, line), column: Math.max(1, col), object };
  };
  const documents = parseAllDocuments(list.text, { lineCounter: lines, prettyErrors: false });
  if (!Array.isArray(documents) || documents.every((document) => document.contents === null))
    return { fault: createProblem('CH1320', place(0), 'the file is empty; its last good instances stay') };
  const [syntax] = documents.flatMap((document) => document.errors);
  if (syntax !== undefined)
    return {
      fault: createProblem(
        'CH1320',
        place(syntax.pos[0]),
        `${syntax.message}; the last good instances of the file stay`,
      ),
    };

  const services: string[] = [];
  const instances: ListedInstance[] = [];
  const broken: string[] = [];
  const problems: Problem[] = [];
  for (const document of documents) {
    const { contents } = document;
    if (contents === null || (isMap(contents) && contents.has('apiVersion'))) continue;
    let value: unknown;
    try {
      value = document.toJS({ maxAliasCount: 100 });
    } catch (error) {
      problems.push(createProblem('CH1323', place(offsetAt(contents, [])), String((error as Error).message)));
      continue;
    }
    const report = (faults: readonly RecordFault[], under: readonly PropertyKey[], object: string): void => {
      for (const { path, message } of faults) {
        const whole = [...under, ...path];
        const at = place(offsetAt(contents, whole), object);
        problems.push(createProblem('CH1323', at, message, { path: whole.join('.') }));
      }
    };
    const head = instanceListSchema.safeParse(value);
    // Unknown keys beside the two are told, but cost nothing.
    const { service, instances: entries } = (value ?? {}) as { service?: unknown; instances?: unknown };
    if (!head.success) report(recordFaults(head.error), [], typeof service === 'string' ? `service ${service}` : '');
    const name = instanceListSchema.shape.service.safeParse(service);
    if (!name.success || !Array.isArray(entries)) continue;
    services.push(name.data);
    entries.forEach((entry: unknown, index) => {
      const path = ['instances', index];
      const record = instanceRecordSchema.safeParse(entry);
      if (record.success) {
        const instance = instanceOfRecord(record.data, `${list.source}/${name.data}`);
        const at = place(offsetAt(contents, path), `service ${name.data}`);
        instances.push({ service: name.data, instance, at });
        return;
      }
      const id = (entry as { id?: unknown } | null)?.id;
      const known = typeof id === 'string' ? id : '';
      if (known !== '') broken.push(`${name.data}/${known}`);
      report(recordFaults(record.error), path, `service ${name.data}${known === '' ? '' : ` instance "${known}"`}`);
    });
  }
  return { services, instances, broken, problems };
}

/** Offset of the key or item at `path`; of the nearest thing above it that is written. */
function offsetAt(root: Node, path: readonly PropertyKey[]): number {
  let node: unknown = root;
  let offset = root.range?.[0] ?? 0;
  for (const step of path) {
    if (!isCollection(node)) break;
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => String(isScalar(key) ? key.value : key) === String(step));
      if (pair === undefined) break;
      if (isNode(pair.key)) offset = pair.key.range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(step)];
      if (isNode(node)) offset = node.range?.[0] ?? offset;
    }
  }
  return offset;
}
