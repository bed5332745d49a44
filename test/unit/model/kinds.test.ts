import { expect, it } from 'vitest';
import { kindNamed, kinds } from '../../../src/model/kinds.ts';

it('knows each kind as people type it', () => {
  for (const { kind } of kinds) expect([kindNamed(kind), kindNamed(kind.toLowerCase())]).toEqual([kind, kind]);
  expect(['routes', 'Gateways', 'meshes', 'services'].map(kindNamed)).toEqual(['Route', 'Gateway', 'Mesh', 'Service']);
  expect(['', 's', 'rotues', 'mesh '].map(kindNamed)).toEqual([undefined, undefined, undefined, undefined]);
});
