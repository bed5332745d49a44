// Cuts a text into its YAML documents before any of them is parsed, so that a broken one leaves the others alone.
// By the YAML specification (1.2.2, 9.1) a line that begins with `---` or `...` always is a document marker.
// Invariant: pieces do not overlap and are in order; a piece without content (comments, directives) is none.

export interface Piece {
  /** Offsets of its text, behind its own marker and before the next one. */
  readonly start: number;
  readonly end: number;
}

const marker = /^(?:---|\.\.\.)(?=[ \t\r\n]|$)/gm;
const content = /^(?![ \t]*(?:#|\r?$)|%(?:YAML|TAG)[ \t]|\ufeff?$)./m;

/** Every piece that holds more than comments, directives and white space. */
export function yamlPieces(text: string): readonly Piece[] {
  const pieces: Piece[] = [];
  let start = 0;
  const add = (end: number): void => {
    if (content.test(text.slice(start, end))) pieces.push({ start, end });
  };
  for (const { index, 0: found } of text.matchAll(marker)) {
    add(index);
    start = index + found.length;
    const lineEnd = /^[ \t]*\r?\n/.exec(text.slice(start, start + 256));
    if (lineEnd !== null) start += lineEnd[0].length;
  }
  add(text.length);
  return pieces;
}
