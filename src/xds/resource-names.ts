// Names of resources as they are compared: plain ones as they are, `xdstp` ones by their parts (R55).
// It must not know types or views. Invariant: a canonical name is canonical again, and equal for equal parts.

const scheme = 'xdstp://';

/**
 * The name with its context parameters sorted by key; anything that is no `xdstp` name is returned as it is.
 * @example canonicalName('xdstp://a/T/x?b=2&a=1#part') === 'xdstp://a/T/x?a=1&b=2#part'
 */
export function canonicalName(name: string): string {
  if (!name.startsWith(scheme)) return name;
  const hash = name.indexOf('#');
  const whole = hash < 0 ? name : name.slice(0, hash);
  const query = whole.indexOf('?');
  if (query < 0) return name;
  const directives = hash < 0 ? '' : name.slice(hash);
  const parameters = whole
    .slice(query + 1)
    .split('&')
    .filter((parameter) => parameter !== '')
    .sort();
  const context = parameters.length === 0 ? '' : `?${parameters.join('&')}`;
  return `${whole.slice(0, query)}${context}${directives}`;
}
