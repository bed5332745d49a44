// The suite of root providers over both kinds that keep the root themselves.
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createFileRoots } from '../../src/ca/roots-files.ts';
import { createSealedRoots } from '../../src/ca/roots-sealed.ts';
import { createFakeClock } from '../support/fake-clock.ts';
import { createTempDir } from '../support/temp-dir.ts';
import { createMemoryStore } from '../unit/ca/memory-store.ts';
import { rootsConformance, suiteLifeMs, suiteTrustDomain } from './ca-roots-suite.ts';

rootsConformance({
  kind: 'files',
  rig() {
    const clock = createFakeClock();
    const place = createTempDir('file-roots');
    const folder = join(place.path, 'ca');
    return {
      clock,
      provider: ({ trustDomain = suiteTrustDomain, lifeMs = suiteLifeMs, bundle } = {}) =>
        createFileRoots(
          { clock, uid: process.geteuid?.() },
          { folder, trustDomain, lifeMs, bundle: () => Promise.resolve(bundle) },
        ),
      loseKeys: () => {
        for (const name of readdirSync(folder)) rmSync(join(folder, name, 'key.pem'));
      },
      kept: () =>
        JSON.stringify(
          readdirSync(folder, { recursive: true, withFileTypes: true })
            .filter((entry) => entry.isFile())
            .map((entry) => join(entry.parentPath, entry.name))
            .sort()
            .map((path) => [path, readFileSync(path, 'utf8')]),
        ),
      clear: () => rmSync(folder, { recursive: true }),
      [Symbol.dispose]: place.remove,
    };
  },
});

rootsConformance({
  kind: 'sealed',
  rig() {
    const clock = createFakeClock();
    const store = createMemoryStore();
    let kek = randomBytes(32);
    return {
      clock,
      provider: ({ trustDomain = suiteTrustDomain, lifeMs = suiteLifeMs, bundle } = {}) =>
        createSealedRoots(
          { clock },
          {
            ...{ store, trustDomain, lifeMs },
            keyEncryptionKey: () => Promise.resolve(kek),
            bundle: () => Promise.resolve(bundle),
          },
        ),
      loseKeys: () => {
        kek = randomBytes(32);
      },
      kept: () => JSON.stringify([...store.values].map(([key, value]) => [key, Buffer.from(value).toString('base64')])),
      clear: () => store.values.clear(),
      [Symbol.dispose]: () => undefined,
    };
  },
});
