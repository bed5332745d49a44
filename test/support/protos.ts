// The descriptor set, loaded once for all tests.
import { readFileSync } from 'node:fs';
import { createProtos, type Protos } from '../../src/resources/protos.ts';

let loaded: Protos | undefined;

export function testProtos(): Protos {
  loaded ??= createProtos(readFileSync(new URL('../../src/gen/envoy.binpb', import.meta.url)));
  return loaded;
}
