// Replaces or removes one object in the text of a document that may hold several. Text in, text out.
// Invariant: the other objects' texts, comments included, stay as they are.
import type { MeshObject } from './parse.ts';

/** The document's text with the object's YAML replaced by `newText` (one object, without `---`). */
export function replaceObject(text: string, object: MeshObject, newText: string): string {
  const body = withoutMarkers(newText);
  const rest = text.slice(object.end);
  const before = text.slice(0, object.start);
  const gap = before === '' || before.endsWith('\n') ? '' : '\n';
  return `${before}${gap}${body.endsWith('\n') || rest === '' ? body : `${body}\n`}${rest}`;
}

/** The document's text without the object and the marker before it. */
export function removeObject(text: string, object: MeshObject): string {
  const before = text.slice(0, object.start);
  const marker = /(?:^|\n)---[^\n]*\n?$/.exec(before);
  const kept = marker === null ? before : before.slice(0, marker.index + (marker[0].startsWith('\n') ? 1 : 0));
  const rest = text.slice(object.end);
  return kept.trim() === '' ? rest.replace(/^---[ \t]*\r?\n/, '') : kept + rest;
}

function withoutMarkers(text: string): string {
  return text.replace(/^---[ \t]*\r?\n/, '').replace(/\n(?:---|\.\.\.)[ \t]*\r?\n?$/, '\n');
}
