// A registry of instance lists in YAML or JSON files; the format is in docs/registries.md.
// Objects in the same directory are left alone (document-shape.ts). It must not know Envoy or objects.
// Invariant: a file, or an entry, that cannot be read keeps its last good instances, with a Problem that says so.
import { resolve } from 'node:path';
import { createProblem, type Problem } from '../../model/problem.ts';
import type { RegistrySnapshot } from '../../model/snapshot.ts';
import type { RegistrySource } from '../../model/source.ts';
import { createRegistryEmitter } from '../emitter.ts';
import { createServiceTable } from '../service-table.ts';
import type { SourceDeps } from '../source-deps.ts';
import { createDirectoryMirror } from './directory-mirror.ts';
import { fileName } from './directory-pass.ts';
import { degradedOf } from './directory-state.ts';
import { fileShape } from './document-shape.ts';
import { type InstanceList, type ListedInstance, parseInstanceList } from './instance-list.ts';

export interface FileRegistryOptions {
  readonly name: string;
  /** Directory of lists, read with all below it. Either this or `file`. */
  readonly directory?: string;
  /** One list. */
  readonly file?: string;
}

interface FileState {
  readonly text: string;
  readonly list: InstanceList;
  readonly problems: readonly Problem[];
}

const nothing: InstanceList = { services: [], instances: [], broken: [], problems: [] };

export function createFileRegistry(deps: SourceDeps, options: FileRegistryOptions): RegistrySource {
  const { name } = options;
  const mirror = createDirectoryMirror(
    deps,
    options.file === undefined
      ? { directory: options.directory ?? '.' }
      : { directory: resolve(options.file, '..'), only: fileName(options.file) },
  );
  return {
    name,
    kind: 'files',
    run(signal, emit) {
      const pass = createRegistryEmitter(emit);
      const lists = createLists(name);
      let revision = 0;
      return mirror.run(signal, (state) => {
        const degraded = degradedOf(mirror.root, state);
        const snapshot: RegistrySnapshot = {
          source: name,
          kind: 'files',
          revision: String(++revision),
          complete: state.complete,
          ...lists.next(state.texts),
          ...(degraded === undefined ? {} : { degraded }),
        };
        pass(snapshot);
      });
    },
  };
}

export interface Lists {
  /** Services and Problems of the files with these texts, by path. */
  next(texts: ReadonlyMap<string, string>): Pick<RegistrySnapshot, 'services' | 'problems'>;
}

/** The files' lists over time: parsed once per text, last good kept. */
export function createLists(source: string): Lists {
  const files = new Map<string, FileState>();
  const table = createServiceTable();
  let before: ReadonlyMap<string, string> | undefined;
  let result: Pick<RegistrySnapshot, 'services' | 'problems'> = { services: new Map(), problems: [] };

  function read(path: string, text: string): FileState | undefined {
    const old = files.get(path);
    if (old?.text === text) return old;
    const shape = fileShape(text);
    const wasList = old !== undefined && old.list !== nothing;
    if (shape === 'objects' || (shape === 'neither' && !wasList && looksForeign(text))) return undefined;
    const parsed = parseInstanceList({ source, file: path, text });
    if ('fault' in parsed) return { text, list: old?.list ?? nothing, problems: [parsed.fault] };
    const kept = parsed.broken.flatMap((id) => lastGood(old?.list, id));
    return { text, list: { ...parsed, instances: [...parsed.instances, ...kept] }, problems: parsed.problems };
  }

  return {
    next(texts) {
      if (texts === before) return result;
      before = texts;
      for (const path of files.keys()) if (!texts.has(path)) files.delete(path);
      const problems: Problem[] = [];
      const rows = new Map<string, ListedInstance>();
      const services = new Set<string>();
      for (const path of [...texts.keys()].sort()) {
        const file = read(path, texts.get(path) ?? '');
        if (file === undefined) {
          files.delete(path);
          continue;
        }
        files.set(path, file);
        problems.push(...file.problems);
        for (const service of file.list.services) services.add(service);
        for (const listed of file.list.instances) {
          const first = rows.get(listed.instance.key);
          if (first === undefined) rows.set(listed.instance.key, listed);
          else problems.push(duplicate(listed, first));
        }
      }
      table.names(services);
      for (const row of [...table.rows()]) if (!rows.has(row)) table.remove(row);
      for (const [row, { service, instance }] of rows) table.put(row, service, instance);
      result = { services: table.services(), problems };
      return result;
    },
  };
}

/** Nothing that was meant as an instance list: blank, or an object whose apiVersion is missing. */
function looksForeign(text: string): boolean {
  return text.trim() === '' || /^["']?kind["']?\s*:/m.test(text);
}

/** The instance named `service/id`, as the file gave it when it was last in order. */
function lastGood(list: InstanceList | undefined, id: string): readonly ListedInstance[] {
  return (list?.instances ?? []).filter((listed) => `${listed.service}/${listed.instance.id}` === id);
}

function duplicate(listed: ListedInstance, first: ListedInstance): Problem {
  const { file, line } = first.at;
  const id = listed.instance.id;
  return createProblem('CH1324', listed.at, `the id "${id}" is already used in ${file}, line ${line}`);
}
