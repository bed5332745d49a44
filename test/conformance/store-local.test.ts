// The stores that need nothing but this machine, against the contract.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTempDir } from '../support/temp-dir.ts';
import { testStore } from './store-suite.ts';

testStore({
  name: 'memory',
  parts: [],
  shared: false,
  start: async () => ({ config: { kind: 'memory' }, stop: async () => {} }),
});

testStore({
  name: 'files',
  parts: [],
  shared: true,
  async start() {
    const place = createTempDir('store');
    writeFileSync(join(place.path, 'file'), '');
    return {
      config: { kind: 'files', folder: join(place.path, 'state', 'store') },
      unreachable: { kind: 'files', folder: join(place.path, 'file', 'store') },
      stop: async () => place.remove(),
    };
  },
});
