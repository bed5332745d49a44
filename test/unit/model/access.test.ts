// The one decision about who may have what, as a table of every asker against every class.
import { describe, expect, it } from 'vitest';
import { type AccessClass, type Asker, decide, type Role } from '../../../src/model/access.ts';

const role = (name: Role): Asker => ({ kind: 'role', role: name, name: 'grafana' });
const askers = {
  nobody: { kind: 'nobody' },
  unasked: { kind: 'unasked' },
  node: { kind: 'principal' },
  reader: role('reader'),
  editor: role('editor'),
  operator: role('operator'),
} as const satisfies Record<string, Asker>;

/** `+` allowed, `?` not authenticated, `-` known and refused; in the order of `askers`. */
const table: Readonly<Record<AccessClass, string>> = {
  open: '++++++',
  reading: '??-+++',
  editing: '??--++',
  operating: '??---+',
  mesh: '?++---',
  inspecting: '?--+++',
};

function mark(asker: Asker, access: AccessClass, local: boolean): string {
  const decision = decide(asker, { access, local });
  if (decision.allowed) return '+';
  return decision.refused === 'unauthenticated' ? '?' : '-';
}

const row = (access: AccessClass, local: boolean): string =>
  Object.values(askers)
    .map((asker) => mark(asker, access, local))
    .join('');

describe('T11: who may have what', () => {
  it.each(Object.entries(table) as [AccessClass, string][])('%s: %s', (access, wanted) => {
    expect(row(access, false)).toBe(wanted);
    // Nobody is believed for being here, but where nobody is asked for anything.
    expect(row(access, true)).toBe(access === 'inspecting' ? '?+-+++' : wanted);
  });

  it('is nothing of what has no class', () => {
    for (const asker of Object.values(askers)) expect(mark(asker, 'typo' as AccessClass, true)).toBe('-');
    expect(mark({ kind: 'role', role: 'admin' as Role, name: 'x' }, 'reading', true)).toBe('-');
  });

  it('says which role is needed, and of which the token is', () => {
    expect(decide(askers.reader, { access: 'operating', local: true })).toEqual({
      ...{ allowed: false, refused: 'permission-denied' },
      reason: 'the role operator is needed, and the token "grafana" is of a reader',
    });
    expect(decide(askers.nobody, { access: 'editing', local: true })).toEqual({
      ...{ allowed: false, refused: 'unauthenticated' },
      reason: 'a credential with the role editor is needed',
    });
  });
});
