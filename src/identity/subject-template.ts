// Which services a subject of another issuer may be: a text with places in it, `system:serviceaccount:{namespace}:{name}`,
// and names made of what stands in those places. Pure. It must not know tokens.
// Invariant: a subject fits in one way or not at all; literal characters stand for themselves, a place for the characters
// that a name may have and for no others.
import { AppError } from '../util/errors.ts';

export interface SubjectRule {
  /** Exact, or with places: `{name}` stands for letters, digits, dot, dash and underscore. */
  readonly subject: string;
  /** Services, with the same places: `{name}`, `{namespace}|{name}`. */
  readonly services?: readonly string[];
  readonly gateways?: readonly string[];
}

export interface SubjectNames {
  readonly services: readonly string[];
  readonly gateways: readonly string[];
}

const place = /\{([a-z][a-z0-9]*)\}/;
const onlyNameCharacters = /^[A-Za-z0-9._-]*$/;

/** What a subject may be by the first rule that fits; undefined: none does. Throws CH1837 where a rule cannot be used. */
export function createSubjectMap(rules: readonly SubjectRule[]): (subject: string) => SubjectNames | undefined {
  const compiled = rules.map(compile);
  return (subject) => {
    for (const rule of compiled) {
      const names = rule(subject);
      if (names !== undefined) return names;
    }
    return undefined;
  };
}

function compile(rule: SubjectRule): (subject: string) => SubjectNames | undefined {
  const { subject, services = [], gateways = [] } = rule;
  const pieces = subject.split(place);
  const places = pieces.filter((_, index) => index % 2 === 1);
  const refuse = (why: string): AppError => new AppError('CH1837', `the subject ${JSON.stringify(subject)} ${why}`);
  if (new Set(places).size !== places.length) throw refuse('has a place twice');
  pieces.forEach((piece, index) => {
    if (index % 2 === 1) return;
    if (/[{}]/.test(piece)) throw refuse('has a brace that belongs to no place');
    // Between two places, or beside one, a character of a name could be of either: `a-{x}-{y}` fits a text in many ways.
    const inner = index > 0 && index < pieces.length - 1;
    if (inner && piece === '') throw refuse('has two places side by side');
    if (inner && onlyNameCharacters.test(piece)) throw refuse('needs a character that no name has between two places');
  });
  for (const target of [...services, ...gateways])
    for (const [, name = ''] of target.matchAll(new RegExp(place, 'g')))
      if (!places.includes(name)) throw refuse(`has no place {${name}}`);
  if (services.length + gateways.length === 0) throw refuse('gives no service and no gateway');
  const source = pieces.map((piece, index) => (index % 2 === 1 ? '([A-Za-z0-9._-]+)' : literal(piece))).join('');
  const pattern = new RegExp(`^${source}$`);
  return (text) => {
    const found = pattern.exec(text);
    if (found === null) return undefined;
    const values = new Map(places.map((name, index) => [name, found[index + 1] ?? '']));
    const fill = (target: string): string =>
      target.replace(new RegExp(place, 'g'), (_, name: string) => values.get(name) ?? '');
    return { services: services.map(fill), gateways: gateways.map(fill) };
  };
}

function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
