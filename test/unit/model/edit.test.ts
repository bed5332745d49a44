import { describe, expect, it } from 'vitest';
import { removeObject, replaceObject } from '../../../src/model/edit.ts';
import { type MeshObject, parseDocument } from '../../../src/model/parse.ts';

const service = (name: string): string =>
  `apiVersion: chancery/v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {}\n`;
const three = `# about a\n${service('a')}---\n# about b\n${service('b')}---\n${service('c')}`;

function objectsOf(text: string): readonly MeshObject[] {
  return parseDocument({ path: 'o.yaml', text }, 'files').objects;
}

function find(text: string, name: string): MeshObject {
  const object = objectsOf(text).find((one) => one.name === name);
  if (object === undefined) throw new Error(`no object ${name}`);
  return object;
}

describe('replaceObject', () => {
  it('leaves the neighbours as they are', () => {
    for (const name of ['a', 'b', 'c']) {
      const text = replaceObject(three, find(three, name), service('new'));
      expect(objectsOf(text).map((one) => one.name)).toEqual(
        ['a', 'b', 'c'].map((one) => (one === name ? 'new' : one)),
      );
      for (const other of ['a', 'b', 'c'].filter((one) => one !== name))
        expect(find(text, other).text).toBe(find(three, other).text);
    }
  });

  it('drops markers around the new text and ends it with a line', () => {
    const text = replaceObject(three, find(three, 'a'), `---\n${service('new').trimEnd()}\n---\n`);
    expect(objectsOf(text).map(({ name }) => name)).toEqual(['new', 'b', 'c']);
    expect(objectsOf(replaceObject(three, find(three, 'b'), service('new').trimEnd()))).toHaveLength(3);
  });

  it('puts an object behind an inline marker', () => {
    const text = `${service('a')}--- {apiVersion: chancery/v1, kind: Service, metadata: {name: b}, spec: {}}\n`;
    expect(objectsOf(replaceObject(text, find(text, 'b'), service('new'))).map(({ name }) => name)).toEqual([
      'a',
      'new',
    ]);
  });

  it('gives the same text back when nothing changes', () => {
    for (const { text } of objectsOf(three)) expect(three).toContain(text);
    expect(replaceObject(three, find(three, 'b'), find(three, 'b').text)).toBe(three);
  });
});

describe('removeObject', () => {
  it('takes the object, its comment and its marker', () => {
    expect(removeObject(three, find(three, 'b'))).toBe(`# about a\n${service('a')}---\n${service('c')}`);
    expect(removeObject(three, find(three, 'c'))).toBe(`# about a\n${service('a')}---\n# about b\n${service('b')}`);
    expect(objectsOf(removeObject(three, find(three, 'a'))).map(({ name }) => name)).toEqual(['b', 'c']);
  });

  it('leaves an empty text where it was the only one', () => {
    const text = `---\n${service('a')}`;
    expect(removeObject(text, find(text, 'a')).trim()).toBe('');
  });

  it('leaves broken neighbours in place', () => {
    const text = `${service('a')}---\nspec: [1\n---\n${service('b')}`;
    expect(removeObject(text, find(text, 'b'))).toBe(`${service('a')}---\nspec: [1\n`);
  });
});
