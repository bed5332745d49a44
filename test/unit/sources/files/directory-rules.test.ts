import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { looksUnfinished } from '../../../../src/sources/files/directory-mirror.ts';
import { isConfigurationName, listDirectory } from '../../../../src/sources/files/directory-pass.ts';
import { fileShape } from '../../../../src/sources/files/document-shape.ts';
import { pathFault } from '../../../../src/sources/files/file-writer.ts';
import { createTempDir } from '../../../support/temp-dir.ts';

describe('a file name', () => {
  it.each(['a.yaml', 'a.yml', 'A.JSON', 'a.b.yaml'])('%s is read', (name) => {
    expect(isConfigurationName(name)).toBe(true);
  });
  it.each(['.a.yaml', 'a.yaml~', '#a.yaml#', '.#a.yaml', 'a.yaml.swp', 'a.yaml.tmp', '4913', 'a.txt', '~$a.yaml'])(
    '%s is not',
    (name) => {
      expect(isConfigurationName(name)).toBe(false);
    },
  );
});

describe('a file without end', () => {
  it('is named and not read', async () => {
    using directory = createTempDir('large');
    writeFileSync(join(directory.path, 'small.yaml'), 'a: 1\n');
    writeFileSync(join(directory.path, 'large.yaml'), 'a: 1\n');
    truncateSync(join(directory.path, 'large.yaml'), (16 << 20) + 1);
    const { files, unreadable } = await listDirectory(directory.path, { onDirectory: () => {} });
    expect([...files.keys()]).toEqual(['small.yaml']);
    expect([...unreadable]).toEqual([['large.yaml', 'larger than 16 MiB']]);
  });
});

describe('a text that may be half-written', () => {
  it.each([
    ['empty', 'a.yaml', '', 'a: 1\n', true],
    ['empty and new', 'a.yaml', '', undefined, true],
    ['empty as before', 'a.yaml', '', '', false],
    ['cut', 'a.yaml', 'a: 1\nb', 'a: 1\nb: 2\n', true],
    ['cut and new', 'a.yaml', 'a: 1\nb', undefined, true],
    ['whole', 'a.yaml', 'a: 2\n', 'a: 1\n', false],
    ['whole and new', 'a.yaml', 'a: 2\n', undefined, false],
    ['without a last line break, as before', 'a.yaml', 'a: 2', 'a: 1', false],
    ['JSON that is whole', 'a.json', '{"a":1}', undefined, false],
    ['JSON that is cut', 'a.json', '{"a":', undefined, true],
    ['gone', 'a.yaml', undefined, 'a: 1\n', true],
    ['never there', 'a.yaml', undefined, undefined, false],
  ] as const)('%s', (_, path, text, known, expected) => {
    expect(looksUnfinished(path, text, known)).toBe(expected);
  });
});

describe('the shape of a file', () => {
  it.each([
    ['apiVersion: chancery/v1\nkind: Route\n', 'objects'],
    ['service: web\ninstances: []\n', 'instances'],
    ['instances: [\n', 'instances'],
    ['# c\n"instances":\n', 'instances'],
    ['{"service": "web", "instances": []}', 'instances'],
    ['{\n  "apiVersion": "v1", "spec": {"instances": 3}\n}', 'objects'],
    ['{"spec": {"instances": []}}', 'neither'],
    ['apiVersion: v1\nspec:\n  instances: 3\n', 'objects'],
    ['apiVersion: v1\ninstances: 3\n', 'objects'],
    ['apiVersion: v1\n---\ninstances: []\n', 'mixed'],
    ['instances: []\n--- # two\ninstances: []\n', 'instances'],
    ['', 'neither'],
    ['a: 1\n', 'neither'],
  ] as const)('%j is %s', (text, shape) => {
    expect(fileShape(text)).toBe(shape);
  });
});

describe('a path to write', () => {
  it.each(['a.yaml', 'shop/a.yaml', 'a/b/c.json'])('%s is allowed', (path) => {
    expect(pathFault(path)).toBeUndefined();
  });
  it.each([
    '',
    '/etc/a.yaml',
    '../a.yaml',
    'a/../../b.yaml',
    'a/./b.yaml',
    'a//b.yaml',
    '.hidden.yaml',
    'a\\..\\b.yaml',
    'a\0.yaml',
    'a.sh',
    'a/',
  ])('%j is refused', (path) => {
    expect(pathFault(path)).toBeTypeOf('string');
  });
});
