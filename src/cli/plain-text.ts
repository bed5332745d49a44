// Text that others chose (node ids, a proxy's words, names in a load report) as a terminal may show it.
// It must not know where it is shown. Invariant: what it gives is one line and moves, colours and hides nothing.

/** Control characters, as `\x1b`: C0, DEL, C1, and what turns text round or ends lines. */
const unsafe = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

export function plainText(text: string): string {
  return text.replace(unsafe, (one) => `\\x${(one.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}`);
}
