// A google.protobuf.FileDescriptorSet by file, by symbol and by extension, read by hand: nothing is decoded but names.
// It must not know who asks. Invariant: files are given out as the bytes they came as.
import { eachField } from '../wire.ts';

export interface DescriptorIndex {
  /** The encoded FileDescriptorProto of a file and of all it imports, the file first; undefined if it is not in the set. */
  file(name: string): ReadonlyMap<string, Uint8Array> | undefined;
  /** The file that declares a message, enum, service, method or extension. */
  fileOfSymbol(symbol: string): string | undefined;
  fileOfExtension(type: string, number: number): string | undefined;
  /** Numbers of the extensions of a message, sorted; undefined if there is no such message. */
  extensionsOf(type: string): readonly number[] | undefined;
}

interface Entry {
  readonly bytes: Uint8Array;
  readonly imports: string[];
}

type Range = readonly [number, number];

/** Throws WireError. */
export function indexDescriptors(set: Uint8Array): DescriptorIndex {
  const all = Buffer.from(set.buffer, set.byteOffset, set.byteLength);
  const files = new Map<string, Entry>();
  const symbols = new Map<string, string>();
  /** message -> extension number -> file */
  const extensions = new Map<string, Map<number, string>>();

  function readFile(range: Range): void {
    const [start, end] = range;
    let file = '';
    let scope = '';
    const imports: string[] = [];
    eachField(all, range, (field) => {
      if (field.wireType !== 2) return;
      const text = (): string => all.toString('utf8', field.start, field.end);
      if (field.number === 1) file = text();
      else if (field.number === 2) scope = text();
      else if (field.number === 3) imports.push(text());
    });
    files.set(file, { bytes: all.subarray(start, end), imports });
    // FileDescriptorProto { 4 message, 5 enum, 6 service, 7 extension }
    eachField(all, range, (field) => {
      const inner: Range = [field.start, field.end];
      if (field.wireType !== 2) return;
      if (field.number === 4) readMessage(inner, { scope, file });
      else if (field.number === 5) declare(inner, { scope, file });
      else if (field.number === 6) {
        const service = declare(inner, { scope, file });
        eachField(all, inner, (method) => {
          if (method.number === 2 && method.wireType === 2)
            declare([method.start, method.end], { scope: service, file });
        });
      } else if (field.number === 7) readExtension(inner, { scope, file });
    });
  }

  /** DescriptorProto { 3 nested_type, 4 enum_type, 6 extension } */
  function readMessage(range: Range, { scope, file }: Scope): void {
    const message = declare(range, { scope, file });
    eachField(all, range, (field) => {
      const inner: Range = [field.start, field.end];
      if (field.wireType !== 2) return;
      if (field.number === 3) readMessage(inner, { scope: message, file });
      else if (field.number === 4) declare(inner, { scope: message, file });
      else if (field.number === 6) readExtension(inner, { scope: message, file });
    });
  }

  /** FieldDescriptorProto { 1 name, 2 extendee, 3 number } */
  function readExtension(range: Range, scope: Scope): void {
    declare(range, scope);
    let extendee = '';
    let number = 0;
    eachField(all, range, (field) => {
      if (field.number === 2 && field.wireType === 2) extendee = all.toString('utf8', field.start, field.end);
      else if (field.number === 3 && field.wireType === 0) number = field.value;
    });
    const type = extendee.replace(/^\./, '');
    const numbers = extensions.get(type) ?? new Map<number, string>();
    numbers.set(number, scope.file);
    extensions.set(type, numbers);
  }

  /** Every declaration has its name in field 1. Returns the full name. */
  function declare(range: Range, { scope, file }: Scope): string {
    let name = '';
    eachField(all, range, (field) => {
      if (field.number === 1 && field.wireType === 2) name = all.toString('utf8', field.start, field.end);
    });
    const full = scope === '' ? name : `${scope}.${name}`;
    symbols.set(full, file);
    return full;
  }

  eachField(all, [0, all.length], ({ number, wireType, start, end }) => {
    if (number === 1 && wireType === 2) readFile([start, end]);
  });

  return {
    file(name) {
      if (!files.has(name)) return undefined;
      const found = new Map<string, Uint8Array>();
      const pending = [name];
      for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
        const entry = files.get(next);
        if (entry === undefined || found.has(next)) continue;
        found.set(next, entry.bytes);
        pending.push(...entry.imports);
      }
      return found;
    },
    fileOfSymbol: (symbol) => symbols.get(symbol),
    fileOfExtension: (type, number) => extensions.get(type)?.get(number),
    extensionsOf: (type) =>
      symbols.has(type) ? [...(extensions.get(type)?.keys() ?? [])].sort((a, b) => a - b) : undefined,
  };
}

interface Scope {
  /** Full name of what it is declared in. */
  readonly scope: string;
  readonly file: string;
}
