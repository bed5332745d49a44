// URLs as they may be shown: in messages, logs and on the console.

/** The text with `user:password@` taken out of every URL in it. */
export function withoutCredentials(text: string): string {
  return text.replaceAll(/(\b[a-z][a-z0-9+.-]*:\/\/|^)[^/\s?#]*@/gi, '$1');
}
