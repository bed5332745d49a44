// Whether a file holds objects or instance lists, so that both may lie in one directory. Told from the top-level keys
// as text, so that the answer stands while the file does not parse.
// Invariant: a file is one or the other; one that mixes both, or is neither, counts as objects, whose parser says so.

export type FileShape = 'objects' | 'instances' | 'mixed' | 'neither';

const apiVersion = /^(?:apiVersion|"apiVersion"|'apiVersion')\s*:/m;
const instances = /^(?:instances|"instances"|'instances')\s*:/m;

/** Top-level keys of a flow mapping (`{...}`): what stands at depth one. */
function flowKeys(text: string): string {
  let depth = 0;
  let quote = '';
  let shallow = '';
  for (let at = 0; at < text.length; at++) {
    const char = text[at] ?? '';
    if (quote !== '') {
      if (char === '\\' && quote === '"') at++;
      else if (char === quote) quote = '';
      if (depth === 1) shallow += char;
      continue;
    }
    if (char === '"' || char === "'") quote = char;
    if (char === '}' || char === ']') depth--;
    if (depth === 1) shallow += char === ',' ? '\n' : char;
    if (char === '{' || char === '[') depth++;
  }
  return shallow.replaceAll(/^\s+/gm, '');
}

/** The shape of a whole file: `mixed` when its documents differ, `neither` when no document has a telling key. */
export function fileShape(text: string): FileShape {
  const shapes = new Set<FileShape>();
  for (const document of text.split(/^---(?:[ \t].*)?\r?$/m)) {
    const keys = /^\s*\{/.test(document.replaceAll(/^\s*#.*$/gm, '')) ? flowKeys(document) : document;
    if (apiVersion.test(keys)) shapes.add('objects');
    else if (instances.test(keys)) shapes.add('instances');
  }
  const [only] = shapes;
  return shapes.size > 1 ? 'mixed' : (only ?? 'neither');
}
